"""The pictures of a training run: samples over time, reconstructions, a walk through latent space, curves."""

import pathlib

import jax
import numpy as np
from PIL import Image

from gengan import core, images

GRID = 64  # images in a sample grid
WALKS, WALK_LENGTH = 6, 10


class Snapshots:
  """Draws and writes the pictures of one run. The latents are drawn once, so that grids over time compare."""

  def __init__(self, folder: pathlib.Path, algorithm: core.Algorithm, *, key: jax.Array, num_classes: int, real, sharding):
    """Args:
    folder: where the pictures go.
    key: draws the latents.
    num_classes: rows of the grid cycle through them; 0 or 1: one class.
    real: held-out batch for reconstructions, {'image', 'label'}.
    sharding: where the decoded images lie, a replicated one on a mesh.
    """
    self.folder = folder
    self.folder.mkdir(parents=True, exist_ok=True)
    self.labels = np.arange(GRID, dtype=np.int32) % max(num_classes, 1)
    self._algorithm = algorithm
    self._key = key
    self._real = real
    self._sample = jax.jit(lambda state, key, labels: core.sample(algorithm, state, key, labels), out_shardings=sharding)
    self._prior = jax.jit(algorithm.prior, out_shardings=sharding)
    self._decode = jax.jit(algorithm.decode, out_shardings=sharding)
    if algorithm.encode is not None:
      self._reconstruct = jax.jit(
        lambda state, images, labels: algorithm.decode(state, algorithm.encode(state, images, labels), labels),
        out_shardings=sharding,
      )

  def samples(self, state: core.State) -> np.ndarray:
    """[64, H, W, C] float in [-1, 1], always from the same latents and labels."""
    return np.asarray(self._sample(state, self._key, self.labels))

  def write(self, step: int, state: core.State) -> dict[str, np.ndarray]:
    """Writes the grids of one step; returns them as {name: [H, W, C] uint8}."""
    pictures = {'samples': images.grid(self.samples(state), columns=8)}
    if self._algorithm.encode is not None:
      real, labels = self._real['image'], self._real['label']
      pairs = np.stack([real, np.asarray(self._reconstruct(state, real, labels))], axis=1)
      pictures['reconstructions'] = images.grid(pairs.reshape(-1, *real.shape[1:]), columns=8)
    for name, picture in pictures.items():
      images.save_png(self.folder / f'{name}_{step:07d}.png', picture)
    return pictures

  def finish(self, state: core.State, workdir: pathlib.Path) -> list[pathlib.Path]:
    """Writes what looks back on the whole run; returns the paths."""
    written = [self.folder / 'interpolation.png']
    images.save_png(written[0], self.walk(state))
    frames = [np.atleast_3d(np.asarray(Image.open(path))) for path in sorted(self.folder.glob('samples_*.png'))]
    if len(frames) > 1:
      written.append(self.folder / 'training.gif')
      images.save_animation(written[-1], frames, seconds=0.15, hold=2.0)
    if (workdir / 'metrics.jsonl').exists():
      written.append(workdir / 'curves.png')
      images.plot_curves(workdir / 'metrics.jsonl', written[-1])
    return written

  def walk(self, state: core.State) -> np.ndarray:
    """Rows that go from one random latent to another, with one label a row: [H, W, C] uint8."""
    labels = self.labels[:WALKS]
    ends = self._prior(state, self._key, np.concatenate([labels, labels]))
    start, end = (jax.tree.map(lambda x, half=half: x[half], ends) for half in np.split(np.arange(2 * WALKS), 2))
    rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), images.interpolate(start, end, WALK_LENGTH))
    return images.grid(np.asarray(self._decode(state, rows, labels.repeat(WALK_LENGTH))), columns=WALK_LENGTH)
