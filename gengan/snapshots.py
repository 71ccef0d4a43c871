"""The pictures of a training run: samples over time, reconstructions, a walk through latent space, curves."""

import functools
import pathlib

import jax
import numpy as np
from PIL import Image

from gengan import core, images

ROWS = 8  # of a sample grid
WALKS, WALK_LENGTH = 6, 10


class Snapshots:
  """Draws and writes the pictures of one run. The latents are drawn once, so that grids over time compare."""

  def __init__(self, folder: pathlib.Path, algorithm: core.Algorithm, real: core.Batch, *, key: jax.Array, sharding):
    """Compiles nothing yet.

    Args:
      folder: where the pictures go.
      algorithm: its samples and, where it has an encoder, its reconstructions are drawn.
      real: held-out images and labels; the samples have the same labels, and the reconstructions start from them.
      key: draws the latents.
      sharding: where decoded images lie, a replicated one on the mesh.
    """
    self.folder, self.real = folder, real
    self._algorithm, self._key = algorithm, key
    self._columns = -(-len(real['label']) // ROWS)
    self._sample = jax.jit(functools.partial(core.sample, algorithm), out_shardings=sharding)
    self._prior = jax.jit(algorithm.prior, out_shardings=sharding)
    self._decode = jax.jit(algorithm.decode, out_shardings=sharding)
    self._reconstruct = jax.jit(
      lambda state, images, labels: algorithm.decode(state, algorithm.encode(state, images, labels), labels),
      out_shardings=sharding,
    )

  def samples(self, state: core.State) -> np.ndarray:
    """[N, H, W, C] float in [-1, 1], always from the same latents, one for every label of the real images."""
    return np.asarray(self._sample(state, self._key, self.real['label']))

  def write(self, step: int, state: core.State) -> dict[str, np.ndarray]:
    """Writes the grids of one step; returns them as {name: [H, W, C] uint8}."""
    pictures = {'samples': images.grid(self.samples(state), columns=self._columns)}
    if self._algorithm.encode is not None:
      pictures['reconstructions'] = self._reconstructions(state)
    if jax.process_index() == 0:
      self.folder.mkdir(parents=True, exist_ok=True)
      for name, picture in pictures.items():
        images.save_png(self.folder / f'{name}_{step:07d}.png', picture)
    return pictures

  def finish(self, state: core.State, metrics_path: pathlib.Path) -> list[pathlib.Path]:
    """Writes what looks back on the whole run; returns the paths. Every process draws, the first one writes."""
    walk = self._walk(state)
    if jax.process_index():
      return []
    files = [self.folder / 'interpolation.png', self.folder / 'training.gif', metrics_path.with_name('curves.png')]
    images.save_png(files[0], walk)
    frames = [np.asarray(Image.open(path)) for path in sorted(self.folder.glob('samples_*.png'))]
    images.save_animation(files[1], [np.atleast_3d(frame) for frame in frames], seconds=0.15, hold=2.0)
    images.plot_curves(metrics_path, files[2])
    return files

  def _reconstructions(self, state: core.State) -> np.ndarray:
    """Pairs of an image and its reconstruction, side by side."""
    real, labels = self.real['image'], self.real['label']
    pairs = np.stack([real, np.asarray(self._reconstruct(state, real, labels))], axis=1)
    return images.grid(pairs.reshape(-1, *real.shape[1:]), columns=2 * self._columns)

  def _walk(self, state: core.State) -> np.ndarray:
    """Rows that go from one random latent to another, with one label a row."""
    labels = np.resize(self.real['label'], WALKS)
    ends = self._prior(state, self._key, np.tile(labels, 2))
    start, end = (jax.tree.map(lambda x, half=half: x[half], ends) for half in (slice(WALKS), slice(WALKS, None)))
    path = images.interpolate(start, end, WALK_LENGTH)  # [walks, length, ...]
    latents = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), path)
    return images.grid(np.asarray(self._decode(state, latents, labels.repeat(WALK_LENGTH))), columns=WALK_LENGTH)
