"""Measures a state of a model against held-out images: the same in the training loop and in the command."""

import dataclasses
import functools
from collections.abc import Callable, Iterator

import jax
import numpy as np
from ml_collections import ConfigDict

from gengan import core, data
from gengan.evaluate import limits, measuring, stages
from gengan.evaluate.extraction import extract
from gengan.evaluate.images import batch_size, data_key, generated_batches, labels_like, real_batches
from gengan.evaluate.model import fulfilled, given, opened
from gengan.evaluate.protocol import Evaluation, Protocol
from gengan.host import cache
from gengan.metrics import family
from gengan.metrics.features import Features, from_arrays, some, to_arrays
from gengan.metrics.moments import moments
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
    self,
    settings: Settings,
    *,
    network: Network,
    dataset: data.Dataset,
    config: ConfigDict,
    mesh: jax.sharding.Mesh,
    tell: stages.Tell = stages.silent,
  ):
    """Computes, or reads from the cache, the features of real images; `tell` hears of every stage.

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
    self.mesh, self._dataset, self._config, self._tell = mesh, dataset, config, tell
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

  def evaluate(
    self,
    state: core.State,
    algorithm: core.Algorithm,
    *,
    reference: bool = False,
    draw: Callable = generated_batches,
  ) -> Evaluation:
    """Every family on every sample set; one that no sample enters, once.

    One that cannot be measured is named in `not_measured`, with the reason, and the others are measured; classes that
    cannot be judged are named in `left_out`. The state must lie on the mesh. Scores and values by class are means over
    the sets. With `reference`, `real` holds the scores of training images in place of samples. Samples are drawn by
    `draw`, which has the arguments of `generated_batches` and gives the same.

    Raises:
      ArgumentError: a family that this model cannot give.
    """
    settings = self.settings
    there = fulfilled(self.network.name, self._config) | given(algorithm, self._dataset.image_shape)
    family.check(settings.families, there)
    families = {name: family.find(name) for name in settings.families}
    images = {'generated': settings.num_generated, 'pairwise': settings.num_pairwise}
    impossible = limits.impossible(families, self._dataset, settings.split, **images)
    possible = {name: each for name, each in families.items() if name not in impossible}
    inputs, count = self._inputs(state, algorithm, draw), len(settings.seeds)
    measured = measuring.measure(possible, inputs, num_sets=count, tell=self._tell)
    scores, deviations, by_class = measuring.combined(measured)
    own = tuple(sorted({each.setting for sets in measured.sets.values() for each in sets} - {''}))
    return Evaluation(
      scores,
      deviations,
      dataclasses.replace(self.protocol, settings=own),
      {'by_class': {name: self._named(values) for name, values in by_class.items()}},
      real=self._of_real(families, measured) if reference else {},
      not_measured=impossible | measured.not_measured,
      left_out={
        name: found for name in measured.sets if (found := self._left_out(families[name], measured.sets[name]))
      },
    )

  def _inputs(
    self, state: core.State, algorithm: core.Algorithm, draw: Callable
  ) -> Iterator[tuple[int, family.Inputs]]:
    """Numbers the sample sets and says what may be read of each."""
    settings = self.settings
    options = {'split': settings.split, 'truncation': settings.truncation, 'mesh': self.mesh, 'tell': self._tell}
    model = opened(algorithm, state, self._dataset, self._config, **options)
    for number, seed in enumerate(settings.seeds):
      stage = f'set {number + 1} of {len(settings.seeds)}'
      samples = functools.partial(self._generated, state, algorithm, seed, draw=draw, stage=stage)
      yield number, family.Inputs(self._features(samples), self.network, seed, model)

  def _of_real(self, families: dict[str, family.Family], measured: measuring.Measured) -> dict[str, float]:
    """What real images get, by score: of training images in place of samples, or as the families know it."""
    inputs = family.Inputs(self._features(self._training_set), self.network, self.settings.seeds[0])
    chosen = {name: families[name] for name in measured.sets if families[name].reference}
    tell = lambda stage, done, of: self._tell(f'real images in place of samples: {stage.rpartition(": ")[2]}', done, of)
    found, *_ = measuring.combined(measuring.measure(chosen, [(0, inputs)], num_sets=1, tell=tell))
    given_by = [each for sets in measured.sets.values() for each in sets]
    names = {name for each in given_by for name in each.real}
    known = {name: [each.real[name] for each in given_by if name in each.real] for name in names}
    return found | {name: float(np.mean(values)) for name, values in known.items()}

  def _training_set(self) -> Features:
    """Training images as a sample set: as many, or all where there are fewer."""
    train, settings = self.train, self.settings
    kept = slice(settings.num_generated)
    positions = train.positions[kept]
    logits = None if train.logits is None else train.logits[positions]
    pairs = np.arange(min(settings.num_pairwise, len(positions)))
    rows = train.rows[kept]
    return Features(moments(rows), rows[pairs], pairs, logits, train.labels[positions])

  def _named(self, by_label: dict[int, float]) -> dict[str, float]:
    names = limits.class_names(self._dataset)
    return {names[label]: value for label, value in by_label.items()}

  def _left_out(self, each: family.Family, sets: list[family.Scores]) -> dict[str, str]:
    """Classes and scores that a family left out of some set, and why; also classes of which there is no image."""
    names = limits.class_names(self._dataset)
    found = {}
    for number, scores in enumerate(sets, start=1):
      for key, why in scores.left_out.items():
        where = f', in set {number} of {len(sets)}' if any(key not in other.left_out for other in sets) else ''
        found.setdefault(key if isinstance(key, str) else names[key], f'{why}{where}')
    missing = limits.missing_classes(self._dataset, self.settings.split) if each.images.of_class else {}
    return found | {name: why for name, why in missing.items() if why == limits.NO_IMAGE}

  def _features(self, draw: Callable[[], Features]) -> Callable[[str], Features]:
    """The function of `Inputs.features`, for samples that are drawn so."""
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
    return self._extract(parts, np.arange(len(images)), lambda seen: None)

  def _generated(
    self, state: core.State, algorithm: core.Algorithm, seed: int, *, draw: Callable, stage: str
  ) -> Features:
    """Features of one sample set; `stage` begins what is told of it."""
    labels = labels_like(self._dataset.train.labels, self.settings.num_generated, seed=seed)
    batches = draw(algorithm, state, labels, seed=seed, truncation=self.settings.truncation, mesh=self.mesh)
    tell = lambda seen: self._tell(f'{stage}: generating', seen, len(labels))
    return self._extract(batches, np.arange(min(self.settings.num_pairwise, len(labels))), tell)

  def _extract(self, batches, keep, tell: Callable[[int], None]) -> Features:
    size = batch_size(self.mesh)
    return extract(self.network, batches, mesh=self.mesh, batch_size=size, keep=keep, tell=tell)

  def _features_of(self, split, keep) -> Features:
    kept, network = some(len(split), keep), self.network
    key = data_key(self._dataset) | {'split': split.name, 'keep': keep, 'version': FEATURES_VERSION}
    key |= {'network': network.name} | {name: getattr(network, name) for name in ('sha256', 'resizer', 'precision')}
    tell = lambda seen: self._tell(f'features of {split.name} images', seen, len(split))
    compute = lambda: to_arrays(self._extract(real_batches(split, self._config), kept, tell))
    return from_arrays(cache.cached(f'features-{network.name}', key, compute))
