"""Measures a state of a model against held-out images: the same in the training loop and in the command."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import numpy as np
from ml_collections import ConfigDict

from gengan import core, data
from gengan.evaluate.extraction import extract
from gengan.evaluate.images import batch_size, data_key, generated_batches, labels_like, real_batches
from gengan.evaluate.model import fulfilled, given, opened
from gengan.evaluate.protocol import Evaluation, Protocol
from gengan.host import cache
from gengan.metrics import family
from gengan.metrics.averages import mean_and_deviation
from gengan.metrics.features import Features, from_arrays, some, to_arrays
from gengan.networks.network import Network

FEATURES_VERSION = 2  # of what is kept, for caches
MAX_TRAIN = 60_000  # training images whose features are kept to look for copies


@dataclasses.dataclass(frozen=True)
class Settings:
  """What to measure and how; all but the families is part of the protocol, which says what it is."""

  families: tuple[str, ...]  # names for `gengan.metrics.family.find`
  split: str = 'validation'
  num_generated: int = 10_000
  num_pairwise: int = 10_000
  seeds: tuple[int, ...] = (0,)
  truncation: float = 1.0
  weights: str = 'averaged'  # the state must hold what it says


class Evaluator:
  """Measures states of one algorithm against one split; what does not change is computed once.

  With the split 'test' it is for the final report alone: nothing may be selected by it.
  """

  def __init__(
    self, settings: Settings, *, network: Network, dataset: data.Dataset, config: ConfigDict, mesh: jax.sharding.Mesh
  ):
    """Computes, or reads from the cache, the features of real images.

    Raises:
      ArgumentError: another split, or a family that does not exist or that this network or an unconditional model
        cannot give.
      ValueError: too few images.
    """
    family.check(settings.families, fulfilled(network.name, config), model=False)  # that comes later
    if settings.split not in ('validation', 'test'):
      raise core.ArgumentError('split', settings.split, "'validation' or 'test'")
    split = getattr(dataset, settings.split)
    if len(split) < 2:
      raise ValueError(f'the {settings.split} split has {len(split)} images, too few to compare with')
    if settings.num_generated < 2 or settings.num_pairwise < 2 or not settings.seeds:
      raise ValueError('an evaluation needs at least 2 generated images, 2 pairwise ones and one seed')
    self.settings, self.network = settings, network
    self.mesh, self._dataset, self._config = mesh, dataset, config
    self.real = self._features_of(split, settings.num_pairwise)
    shared = {name: value for name, value in vars(settings).items() if name != 'families'}
    self.protocol = Protocol(
      **shared,
      data_sha256=dataset.statistics['sha256'],
      training=f'{len(dataset.train)} images, chosen as {dataset.statistics["chosen_sha256"]}',
      preprocessing=', '.join(f'{name} {value}' for name, value in dataset.statistics['preprocessing'].items()),
      num_real=len(split),
      network=network.name,
      network_sha256=network.sha256,
      resizer=network.resizer,
      precision=network.precision,
      labels='drawn from the training labels',
    )

  def __call__(self, state: core.State, algorithm: core.Algorithm) -> dict[str, float]:
    """The mean scores over the sample sets."""
    return self.evaluate(state, algorithm).scores

  def evaluate(self, state: core.State, algorithm: core.Algorithm) -> Evaluation:
    """Every family on every sample set; one that no sample enters, once.

    The state must lie on the mesh. Scores and values by class are means over the sets.

    Raises:
      ArgumentError: a family that this model cannot give.
      ValueError: too few images for one of the families, or of a class.
    """
    settings = self.settings
    there = fulfilled(self.network.name, self._config) | given(algorithm, self._dataset.image_shape)
    family.check(settings.families, there)
    families = {name: family.find(name) for name in settings.families}
    options = {'split': settings.split, 'truncation': settings.truncation, 'mesh': self.mesh}
    model = opened(algorithm, state, self._dataset, self._config, **options)
    found = {name: [] for name in families}
    for seed in settings.seeds:
      inputs = family.Inputs(self._features(state, algorithm, seed), self.network, seed, model)
      for name, each in families.items():
        if not each.once or not found[name]:
          found[name].append(each.measure(inputs))
    scores, deviations, by_class = {}, {}, {}
    for sets in found.values():
      mean, deviation = mean_and_deviation([measured.values for measured in sets])
      scores |= mean
      deviations |= deviation | sets[0].errors
      for name in sets[0].by_class:
        by_class[name] = np.mean([measured.by_class[name] for measured in sets], axis=0).tolist()
    own = tuple(sorted({measured.setting for sets in found.values() for measured in sets} - {''}))
    return Evaluation(scores, deviations, dataclasses.replace(self.protocol, settings=own), {'by_class': by_class})

  def _features(self, state: core.State, algorithm: core.Algorithm, seed: int) -> Callable[[str], Features]:
    """The function of `Inputs.features`."""
    draw = lambda: self.generated(state, algorithm, seed)
    sources = {'real': lambda: self.real, 'train': lambda: self.train, 'generated': draw}
    return functools.cache(lambda kind: sources[kind]())

  @functools.cached_property
  def train(self) -> Features:
    """Features of the training images, of which samples may be copies."""
    return self._features_of(self._dataset.train, MAX_TRAIN)

  def features_of_images(self, images: np.ndarray, labels: np.ndarray) -> Features:
    """Features of uint8 images [N, H, W, C]."""
    size = batch_size(self.mesh)
    parts = ((images[i : i + size], labels[i : i + size]) for i in range(0, len(images), size))
    return self._extract(parts, np.arange(len(images)))

  def generated(self, state: core.State, algorithm: core.Algorithm, seed: int) -> Features:
    """Features of one sample set."""
    labels = labels_like(self._dataset.train.labels, self.settings.num_generated, seed=seed)
    batches = generated_batches(
      algorithm, state, labels, seed=seed, truncation=self.settings.truncation, mesh=self.mesh
    )
    return self._extract(batches, np.arange(min(self.settings.num_pairwise, len(labels))))

  def _extract(self, batches, keep) -> Features:
    return extract(self.network, batches, mesh=self.mesh, batch_size=batch_size(self.mesh), keep=keep)

  def _features_of(self, split, keep) -> Features:
    kept, network = some(len(split), keep), self.network
    key = data_key(self._dataset) | {'split': split.name, 'keep': keep, 'version': FEATURES_VERSION}
    key |= {'network': network.name} | {name: getattr(network, name) for name in ('sha256', 'resizer', 'precision')}
    compute = lambda: to_arrays(self._extract(real_batches(split, self._config), kept))
    return from_arrays(cache.cached(f'features-{network.name}', key, compute))
