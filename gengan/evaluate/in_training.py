"""What `config.evaluators` asks for in the training loop: checked, made, measured, and which scores it will give."""

import contextlib
import itertools
import logging
from collections.abc import Callable, Sequence

import jax
from ml_collections import ConfigDict

from gengan import core, data
from gengan.config import ConfigError, reading
from gengan.evaluate import feature_network, limits, several, stages
from gengan.evaluate.evaluator import Evaluator, Settings
from gengan.evaluate.images import generated_batches
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
    for network in _networks(config):
      feature_network.check(network, num_classes=feature_network.classes_of(dataset))
    _by_network(config, dataset, algorithm)
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
  config: ConfigDict,
  dataset: data.Dataset,
  algorithm: core.Algorithm,
  mesh: jax.sharding.Mesh,
  heed: Callable[[], None] = lambda: None,
) -> list[Evaluator]:
  """What `config.evaluators` asks for, on the validation split: one for each network, none where it names no metrics.

  A classifier that is trained for it may take minutes, which the first process tells of. `heed` is called again and
  again, here and while it measures: what it raises ends that, and leaves nothing in the cache.
  """
  names, num = families(config), config.evaluators.num_generated
  if not names:
    return []
  telling = contextlib.nullcontext(stages.silent) if jax.process_index() else stages.telling()
  with reading('evaluators'), telling as tell:
    return several.evaluators(
      _by_network(config, dataset, algorithm),
      Settings(names, num_generated=num, num_pairwise=num),
      dataset=dataset,
      config=config,
      mesh=mesh,
      tell=stages.heeding(stages.silent, heed),
      tell_training=stages.heeding(tell, heed),
    )


def measure(
  evaluators: Sequence[Evaluator], state: core.State, algorithm: core.Algorithm
) -> tuple[dict[str, float], list[str]]:
  """The scores that could be measured, by their names in the loop, and a line for each that could not.

  A family that fails is caught where it is called, in `measuring.measure`, so that the others keep their numbers and
  every process goes on alike. What leaves this function is a fault of the loop or of its devices, and should end it.
  """
  state, draw = core.settled(algorithm, state), several.SampleSets() if len(evaluators) > 1 else generated_batches
  scores, lines = {}, []
  for evaluator in evaluators:
    found, network = evaluator.evaluate(state, algorithm, draw=draw), evaluator.network.name
    scores |= {f'validation/{name}': value for name, value in found.scores.items()}
    where = f' on {network}' if len(evaluators) > 1 else ''
    lines += [f'{name}{where} was not measured: {why}' for name, why in found.not_measured.items()]
  return scores, lines


def score_names(config: ConfigDict) -> tuple[str, ...]:
  """How the names of the scores that `config.evaluators` asks for begin."""
  return tuple(f'validation/{start}' for name in families(config) for start in family.find(name).names)


def _networks(config: ConfigDict) -> tuple[str, ...]:
  return tuple(name.strip() for name in config.evaluators.network.split(','))


def _by_network(config: ConfigDict, dataset: data.Dataset, algorithm: core.Algorithm) -> dict[str, tuple[str, ...]]:
  """The families that each network measures."""
  by_model = given(algorithm, dataset.image_shape)
  there = {network: fulfilled(network, config) | by_model for network in _networks(config)}
  return several.families_of(dict.fromkeys(there, families(config)), there)


def families(config: ConfigDict) -> tuple[str, ...]:
  """'frechet, manifold' -> ('frechet', 'manifold')."""
  return tuple(name.strip() for name in config.evaluators.metrics.split(',') if name.strip())
