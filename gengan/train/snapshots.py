"""The pictures of a training run: samples over time, reconstructions, a walk through latent space, curves."""

import functools
import math
import pathlib

import jax
import numpy as np

from gengan import core, sharding
from gengan.data import images, lettering, sheets
from gengan.runs import curves
from gengan.train.preparation import Training
from gengan.train.reference import NUMBER, Reference

WALKS, WALK_LENGTH = 6, 10
MOST_FRAMES = 60  # of the animation
GRIDS = ('samples', 'reconstructions')


class Snapshots:
  """Draws and writes the pictures of one run. The latents are drawn once, so that grids over time compare.

  There are always 64 samples, with the labels of the reference images; the reconstructions, where the algorithm can
  give them, start from these images. Decoded images lie in `layout`, a replicated one on the mesh. Without `show_real`
  no real image is written.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    algorithm: core.Algorithm,
    reference: Reference,
    *,
    key: jax.Array,
    layout: jax.sharding.Sharding,
    show_real: bool = True,
  ):
    self.folder, self.real, self.show_real = folder, reference.batch, show_real
    self._algorithm, self._key, self._reference = algorithm, key, reference
    self._labels = np.resize(self.real['label'], NUMBER)
    compiled = functools.partial(jax.jit, out_shardings=layout)
    self._sample = compiled(functools.partial(core.sample, algorithm))
    self._prior, self._decode = compiled(algorithm.prior), compiled(algorithm.decode)
    self._reconstruct = compiled(
      lambda state, images, labels: algorithm.decode(state, algorithm.encode(state, images, labels), labels)
    )

  @classmethod
  def of(cls, training: Training, reference: Reference, *, key: jax.Array) -> 'Snapshots':
    """Those of a run that is prepared."""
    layout, show_real = sharding.replicated(training.setup.mesh), not training.config.private_data
    folder, algorithm = training.workdir / 'samples', training.setup.algorithm
    return cls(folder, algorithm, reference, key=key, layout=layout, show_real=show_real)

  def begin(self, *, fresh: bool) -> dict[str, np.ndarray]:
    """Writes `real.png`, the reference images laid out as the samples are; returns {'real': [H, W, C] uint8}.

    Where a run begins afresh, the grids of an attempt that was never saved go: the animation shows all that are there.
    """
    picture = self._sheet(self.real['image'], self.real['label']) if self.show_real else None
    if jax.process_index() == 0:
      for path in [path for name in GRIDS for path in self.folder.glob(f'{name}_*.png')] if fresh else []:
        path.unlink()
      if picture is not None:
        text = {'gengan.split': self._reference.split}
        images.save_png(self.folder / 'real.png', picture, text=text)
    return {'real': picture} if fresh and picture is not None else {}

  def draw(self, state: core.State) -> dict[str, np.ndarray]:
    """What a state makes, [N, H, W, C] float in [-1, 1] under each name.

    'samples' are always 64 of the same latents, and their first labels are those of the real images;
    'reconstructions' are those of the real images, where `decode` takes what `encode` gives.
    """
    drawn = {'samples': self._sample(state, self._key, self._labels)}
    if self.show_real and reconstructs(self._algorithm, state, self.real):
      drawn['reconstructions'] = self._reconstruct(state, self.real['image'], self.real['label'])
    return {name: np.asarray(array) for name, array in drawn.items()}

  def write(self, step: int, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Writes the grids of what `draw` drew at a step; returns them as {name: [H, W, C] uint8}."""
    pictures = {'samples': self._sheet(drawn['samples'], self._labels)}
    if 'reconstructions' in drawn:  # each beside its original, in a full square of pairs
      side = math.isqrt(len(drawn['reconstructions']))
      pairs = np.stack([self.real['image'], drawn['reconstructions']], axis=1)[: side * side]
      flat = pairs.reshape(-1, *pairs.shape[2:])
      pictures['reconstructions'] = images.grid(flat, columns=2 * side, scale=sheets.scale(flat))
    if jax.process_index() == 0:
      for name, picture in pictures.items():
        images.save_png(self.folder / f'{name}_{step:07d}.png', picture)
    return pictures

  def finish(self, state: core.State, metrics_path: pathlib.Path) -> dict[pathlib.Path, str]:
    """Writes what looks back on the whole run; returns what each file is. Every process draws, the first one writes."""
    walk = self._walk(state)
    if jax.process_index():
      return {}
    walks, animation, plot = (*self._looking_back(), metrics_path.with_name('curves.png'))
    curves.plot(metrics_path, plot)
    images.save_png(walks, walk)
    frames = sorted(self.folder.glob('samples_*.png'))
    alike = [path for path in frames if images.shape_of(path) == images.shape_of(frames[-1])]
    shown = [alike[i] for i in np.unique(np.linspace(0, len(alike) - 1, MOST_FRAMES).round().astype(int))]
    size = images.save_animation(animation, shown, seconds=0.15, hold=2.0)  # the last, for `finished`
    which = f'all {len(shown):,} grids over time'
    if len(shown) < len(frames):
      which = f'{len(shown):,} of {len(frames):,} grids over time, evenly chosen'
    if len(alike) < len(frames):
      which += f', {len(frames) - len(alike):,} of another size left out'
    return {
      walks: 'walks between random latents, a row each',
      animation: f'{which}: {size}',
      plot: 'every metric over time',
    }

  def finished(self) -> bool:
    """Whether what `finish` writes last is there, and no grid has come after it."""
    _, animation = self._looking_back()
    grids = [path.stat().st_mtime_ns for path in self.folder.glob('samples_*.png')]
    return animation.exists() and animation.stat().st_mtime_ns >= max(grids, default=0)

  def _looking_back(self) -> tuple[pathlib.Path, pathlib.Path]:
    return self.folder / 'interpolation.png', self.folder / 'training.gif'

  def _sheet(self, drawn: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return sheets.by_class(drawn, labels, self._reference.class_names)

  def _walk(self, state: core.State) -> np.ndarray:
    """Rows that go from one random latent to another, with one label a row."""
    labels = np.resize(self._labels, WALKS)
    ends = self._prior(state, self._key, np.tile(labels, 2))
    start, end = (jax.tree.map(lambda x, half=half: x[half], ends) for half in (slice(WALKS), slice(WALKS, None)))
    walks = core.walk(self._algorithm, start, end, WALK_LENGTH)  # [walks, length, ...]
    latents = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), jax.device_get(walks))
    drawn = np.asarray(self._decode(state, latents, labels.repeat(WALK_LENGTH)))
    names = lettering.legible(self._reference.class_names)
    beside = [names[label] for label in labels] if names else ()
    return images.grid(drawn, columns=WALK_LENGTH, scale=sheets.scale(drawn), row_labels=beside)


def reconstructs(algorithm: core.Algorithm, state: core.State, batch: core.Batch) -> bool:
  """Whether `decode` takes what `encode` gives: latents of the structure, shapes and dtypes that the prior draws."""
  if algorithm.encode is None:
    return False
  describe = lambda function, *inputs: jax.tree.map(lambda x: (x.shape, x.dtype), jax.eval_shape(function, *inputs))
  key = jax.random.key(0)
  given = describe(algorithm.encode, state, batch['image'], batch['label'])
  return given == describe(algorithm.prior, state, key, batch['label'])
