"""Scores a model against held-out images: the same function in the training loop and in `python -m gengan.evaluate`."""

import dataclasses
import functools
import pathlib

import jax
import numpy as np
from ml_collections import ConfigDict

from gengan import config as configs
from gengan import core, data
from gengan.evaluate import feature_network as networks
from gengan.evaluate import model_scores
from gengan.evaluate.samples import batch_size, generated_batches, labels_like
from gengan.host import cache
from gengan.metrics import suite
from gengan.metrics.averages import mean_and_deviation
from gengan.metrics.protocol import Evaluation, Protocol
from gengan.networks import features
from gengan.networks.network import Network

FEATURES_VERSION = 2  # of what is kept, for caches
MAX_TRAIN = 60_000  # training images whose features are kept to look for copies


@dataclasses.dataclass(frozen=True)
class Settings:
  """What to measure and how.

  Attributes:
    families: of `gengan.metrics.suite.FAMILIES`.
    split: 'validation' or 'test', the real images that are compared with.
    num_generated: images of one sample set.
    num_pairwise: images of each kind at most in metrics that compare all pairs.
    seeds: one sample set each; the scores' deviations are over them.
    truncation: psi of the latents.
    weights: 'ema' or 'raw', for the protocol; the state must hold what it says.
  """

  families: tuple[str, ...]
  split: str = 'validation'
  num_generated: int = 10_000
  num_pairwise: int = 10_000
  seeds: tuple[int, ...] = (0,)
  truncation: float = 1.0
  weights: str = 'ema'


class Evaluator:
  """Measures states of one algorithm against one split; what does not change is computed once.

  With the split 'test' it is for the final report alone: nothing may be selected by it.
  """

  def __init__(
    self, settings: Settings, *, network: Network, dataset: data.Dataset, config: ConfigDict, mesh: jax.sharding.Mesh
  ):
    """Computes, or reads from the cache, the features of real images.

    Raises:
      ValueError: unknown families, too few images, or another split.
    """
    self._check = functools.partial(
      suite.check, settings.families, network=network.name, conditional=configs.is_conditional(config)
    )
    self._check(encoder=True)  # the model comes later
    if settings.split not in ('validation', 'test'):
      raise ValueError(f"the split is {settings.split!r}; it must be 'validation' or 'test'")
    split = getattr(dataset, settings.split)
    if len(split) < 2:
      raise ValueError(f'the {settings.split} split has {len(split)} images, too few to compare with')
    if settings.num_generated < 2 or settings.num_pairwise < 2 or not settings.seeds:
      raise ValueError('an evaluation needs at least 2 generated images, 2 pairwise ones and one seed')
    self.settings, self.network = settings, network
    self.mesh, self._dataset, self._config = mesh, dataset, config
    self.real = self._features_of(split, settings.num_pairwise)
    self.protocol = Protocol(
      data_sha256=dataset.statistics['sha256'],
      split=settings.split,
      training=f'{len(dataset.train)} images, chosen as {dataset.statistics["chosen_sha256"]}',
      preprocessing=', '.join(f'{name} {value}' for name, value in dataset.statistics['preprocessing'].items()),
      num_real=len(split),
      num_generated=settings.num_generated,
      num_pairwise=settings.num_pairwise,
      network=network.name,
      network_sha256=network.sha256,
      resizer=network.resizer,
      precision=network.precision,
      labels='drawn from the training labels',
      seeds=settings.seeds,
      truncation=settings.truncation,
      weights=settings.weights,
    )

  def __call__(self, state: core.State, algorithm: core.Algorithm) -> dict[str, float]:
    """The mean scores over the sample sets."""
    return self.evaluate(state, algorithm).scores

  def evaluate(self, state: core.State, algorithm: core.Algorithm) -> Evaluation:
    """Draws one sample set a seed and measures each, then asks the model itself what only it can tell.

    Values by class are those of the first set.

    Raises:
      ValueError: too few images for one of the families, or of a class; or a likelihood of a model without encoder.
    """
    self._check(encoder=algorithm.encode is not None)
    settings, runs, by_class = self.settings, [], {}
    families = [family for family in settings.families if suite.FAMILIES[family].measure]
    for seed in settings.seeds if families else ():
      train = self.train if 'copying' in families else None
      inputs = suite.Inputs(self.real, train, self.generated(state, algorithm, seed), self.network, seed)
      runs.append(suite.measure(families, inputs))
      by_class = by_class or suite.by_class(families, inputs)
    scores, deviations = mean_and_deviation(runs) if runs else ({}, {})
    asked = model_scores.measure(
      settings.families,
      algorithm,
      state,
      dataset=self._dataset,
      config=self._config,
      network=self.network,
      split=settings.split,
      seeds=settings.seeds,
      truncation=settings.truncation,
      mesh=self.mesh,
    )
    for measured in asked:
      scores, deviations = scores | measured.scores, deviations | measured.deviations
      by_class = by_class | measured.by_class
    protocol = dataclasses.replace(self.protocol, model_scores=tuple(measured.setting for measured in asked))
    return Evaluation(scores, deviations, protocol, {'by_class': by_class})

  @functools.cached_property
  def train(self) -> features.Features:
    """Features of the training images, of which samples may be copies."""
    return self._features_of(self._dataset.train, MAX_TRAIN)

  def features_of_images(self, images: np.ndarray, labels: np.ndarray) -> features.Features:
    """Features of uint8 images [N, H, W, C]."""
    size = batch_size(self.mesh)
    parts = ((images[i : i + size], labels[i : i + size]) for i in range(0, len(images), size))
    return self._extract(parts, np.arange(len(images)))

  def generated(self, state: core.State, algorithm: core.Algorithm, seed: int) -> features.Features:
    """Features of one sample set."""
    labels = labels_like(self._dataset.train.labels, self.settings.num_generated, seed=seed)
    batches = generated_batches(
      algorithm, state, labels, seed=seed, truncation=self.settings.truncation, mesh=self.mesh
    )
    return self._extract(batches, np.arange(min(self.settings.num_pairwise, len(labels))))

  def _extract(self, batches, keep) -> features.Features:
    return features.extract(self.network, batches, mesh=self.mesh, batch_size=batch_size(self.mesh), keep=keep)

  def _features_of(self, split, keep) -> features.Features:
    key = networks.data_key(self._dataset) | {'split': split.name, 'keep': keep, 'version': FEATURES_VERSION}
    kept = features.some(len(split), keep)
    compute = lambda: features.to_arrays(self._extract(networks.real_batches(split, self._config), kept))
    return features.from_arrays(cache.cached(f'features-{self.network.name}', key | _identity(self.network), compute))


def check(config: ConfigDict, dataset: data.Dataset, algorithm: core.Algorithm) -> None:
  """Raises a ValueError that names the field of `config.evaluators` that cannot work with this data or model."""
  settings = config.evaluators
  families = _families(config)
  if config.private_data and (families or config.checkpoint.best_metric):
    field = 'evaluators.metrics' if families else 'checkpoint.best_metric'
    raise ValueError(
      f"config.private_data is True, but config.{field} would choose by real images, which tells of them; set it to ''"
    )
  if not families:
    return
  try:
    suite.check(
      families,
      network=settings.network,
      conditional=configs.is_conditional(config),
      encoder=algorithm.encode is not None,
    )
  except ValueError as error:
    raise ValueError(f'config.evaluators.metrics: {error}') from None
  if settings.num_generated < 2:
    raise ValueError(f'config.evaluators.num_generated is {settings.num_generated}; it must be at least 2')
  if len(dataset.validation) < 2:
    raise ValueError(
      f'config.evaluators.metrics needs a validation split of at least 2 images, not {len(dataset.validation)}'
    )
  kind = settings.network.partition(':')[0]
  if kind == 'classifier' and dataset.num_classes < 2:
    raise ValueError("config.evaluators.network is 'classifier', but the data has no classes; set it to 'pixels'")
  path = settings.network.partition(':')[2]
  if kind not in networks.KINDS or bool(path) != (networks.KINDS.index(kind) >= 3):
    raise ValueError(f'config.evaluators.network is {settings.network!r}; {networks.NETWORKS}')
  if path and not pathlib.Path(path).is_file():
    raise FileNotFoundError(f'config.evaluators.network is {settings.network!r}, but there is no file {path}')


def of_config(config: ConfigDict, dataset: data.Dataset, mesh: jax.sharding.Mesh) -> Evaluator | None:
  """The evaluator that `config.evaluators` asks for, on the validation split; None where it names no metrics."""
  families = _families(config)
  if not families:
    return None
  network = networks.make_network(config.evaluators.network, dataset, config)
  num = config.evaluators.num_generated
  settings = Settings(families, num_generated=num, num_pairwise=num)
  return Evaluator(settings, network=network, dataset=dataset, config=config, mesh=mesh)


def score_names(config: ConfigDict) -> tuple[str, ...]:
  """How the names of the scores that `config.evaluators` asks for begin."""
  return tuple(f'validation/{name}' for family in _families(config) for name in suite.FAMILIES[family].names)


def _families(config: ConfigDict) -> tuple[str, ...]:
  return tuple(name.strip() for name in config.evaluators.metrics.split(',') if name.strip())


def _identity(network: Network) -> dict[str, str]:
  return {'network': network.name, 'sha256': network.sha256, 'resizer': network.resizer, 'precision': network.precision}
