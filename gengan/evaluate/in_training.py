"""What `config.evaluators` asks for in the training loop: checked, made, measured, and which scores it will give."""

import contextlib
import itertools
import logging
from collections.abc import Callable

import jax
from ml_collections import ConfigDict

from gengan import core, data
from gengan.config import ConfigError, reading
from gengan.evaluate import feature_network, limits, stages
from gengan.evaluate.evaluator import Evaluator, Settings
from gengan.evaluate.model import fulfilled, given
from gengan.metrics import family

log = logging.getLogger(__name__)


def check(config: ConfigDict, dataset: data.Dataset, algorithm: core.Algorithm) -> None:
  """Refuses what cannot work with this data or this model, before anything compiles; warns of what scores will lack.

  Raises:
    ConfigError: names the field.
  """
  settings, names = config.evaluators, families(config)
  if config.private_data and (names or config.checkpoint.best_metric):
    field = 'evaluators.metrics' if names else 'checkpoint.best_metric'
    value = settings.metrics if names else config.checkpoint.best_metric
    why = 'but that would choose by real images, which tells of them'
    raise ConfigError(field, value, "''", why=why, beside={'private_data': True})
  if not names:
    return
  with reading('evaluators'):
    feature_network.check(settings.network, num_classes=feature_network.classes_of(dataset))
    family.check(names, fulfilled(settings.network, config) | given(algorithm, dataset.image_shape))
  if settings.num_generated < 2:
    raise ConfigError('evaluators.num_generated', settings.num_generated, 'at least 2')
  if len(dataset.validation) < 2:
    why = f'but the validation split has {len(dataset.validation)} images'
    raise ConfigError('evaluators.metrics', settings.metrics, "'', or that split at least 2 images", why=why)
  asked = {name: family.find(name) for name in names}
  images = {'generated': settings.num_generated, 'pairwise': settings.num_generated}
  for name, why in limits.impossible(asked, dataset, 'validation', **images).items():
    why = f'but {name} cannot be measured: {why}'
    raise ConfigError('evaluators.metrics', settings.metrics, f'without {name}', why=why)
  for note in itertools.chain(*(each(asked, dataset, 'validation', **images) for each in (limits.notes, limits.few))):
    log.warning('config.evaluators: %s', note)


def of_config(
  config: ConfigDict, dataset: data.Dataset, mesh: jax.sharding.Mesh, heed: Callable[[], None] = lambda: None
) -> Evaluator | None:
  """The evaluator that `config.evaluators` asks for, on the validation split; None where it names no metrics.

  A classifier that is trained for it may take minutes, which the first process tells of. `heed` is called again and
  again, here and while it measures: what it raises ends that, and leaves nothing in the cache.
  """
  names, num = families(config), config.evaluators.num_generated
  if not names:
    return None
  telling = contextlib.nullcontext(stages.silent) if jax.process_index() else stages.telling()
  with reading('evaluators'), telling as tell:
    network = feature_network.make_network(config.evaluators.network, dataset, config, tell=stages.heeding(tell, heed))
    settings, quiet = Settings(names, num_generated=num, num_pairwise=num), stages.heeding(stages.silent, heed)
    return Evaluator(settings, network=network, dataset=dataset, config=config, mesh=mesh, tell=quiet)


def measure(evaluator: Evaluator, state: core.State, algorithm: core.Algorithm) -> tuple[dict[str, float], list[str]]:
  """The scores that could be measured, by their names in the loop, and a line for each that could not.

  A family that fails is caught where it is called, in `measuring.measure`, so that the others keep their numbers and
  every process goes on alike. What leaves this function is a fault of the loop or of its devices, and should end it.
  """
  found = evaluator.evaluate(core.settled(algorithm, state), algorithm)
  lines = [f'{name} was not measured: {why}' for name, why in found.not_measured.items()]
  return {f'validation/{name}': value for name, value in found.scores.items()}, lines


def score_names(config: ConfigDict) -> tuple[str, ...]:
  """How the names of the scores that `config.evaluators` asks for begin."""
  return tuple(f'validation/{start}' for name in families(config) for start in family.find(name).names)


def families(config: ConfigDict) -> tuple[str, ...]:
  """'frechet, manifold' -> ('frechet', 'manifold')."""
  return tuple(name.strip() for name in config.evaluators.metrics.split(',') if name.strip())
