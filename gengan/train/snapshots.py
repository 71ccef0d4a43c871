"""The pictures of a training run: samples over time, reconstructions, a walk through latent space, curves."""

import functools
import pathlib

import jax
import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from gengan import core, data
from gengan.data import images
from gengan.runs import curves

ROWS = 8  # of a sample grid
WALKS, WALK_LENGTH = 6, 10
REFERENCES = 64  # real images beside which samples are looked at


class Snapshots:
  """Draws and writes the pictures of one run. The latents are drawn once, so that grids over time compare.

  `real` are held-out images and labels: the samples have the same labels, and the reconstructions, where the algorithm
  can give them, start from these images. Decoded images lie in `sharding`, a replicated one on the mesh.
  """

  def __init__(self, folder: pathlib.Path, algorithm: core.Algorithm, real: core.Batch, *, key: jax.Array, sharding):
    self.folder, self.real = folder, real
    self._algorithm, self._key, self._columns = algorithm, key, -(-len(real['label']) // ROWS)
    compiled = functools.partial(jax.jit, out_shardings=sharding)
    self._sample = compiled(functools.partial(core.sample, algorithm))
    self._prior, self._decode = compiled(algorithm.prior), compiled(algorithm.decode)
    self._reconstruct = compiled(
      lambda state, images, labels: algorithm.decode(state, algorithm.encode(state, images, labels), labels)
    )

  def draw(self, state: core.State) -> dict[str, np.ndarray]:
    """What a state makes, [N, H, W, C] float in [-1, 1] under each name.

    'samples' always come from the same latents, one for every label of the real images; 'reconstructions' are those of
    the real images, where `decode` takes what `encode` gives.
    """
    drawn = {'samples': self._sample(state, self._key, self.real['label'])}
    if reconstructs(self._algorithm, state, self.real):
      drawn['reconstructions'] = self._reconstruct(state, self.real['image'], self.real['label'])
    return {name: np.asarray(array) for name, array in drawn.items()}

  def write(self, step: int, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Writes the grids of what `draw` drew at a step; returns them as {name: [H, W, C] uint8}."""
    pictures = {'samples': images.grid(drawn['samples'], columns=self._columns)}
    if 'reconstructions' in drawn:  # each beside its original
      pairs = np.stack([self.real['image'], drawn['reconstructions']], axis=1)
      pictures['reconstructions'] = images.grid(pairs.reshape(-1, *pairs.shape[2:]), columns=2 * self._columns)
    if jax.process_index() == 0:
      self.folder.mkdir(parents=True, exist_ok=True)
      for name, picture in pictures.items():
        images.save_png(self.folder / f'{name}_{step:07d}.png', picture)
    return pictures

  def clear(self) -> None:
    """Takes away the grids of an attempt that was never saved: the animation shows all that are there."""
    if jax.process_index() == 0:
      for name in ('samples', 'reconstructions'):
        for path in self.folder.glob(f'{name}_*.png'):
          path.unlink()

  def finish(self, state: core.State, metrics_path: pathlib.Path) -> list[pathlib.Path]:
    """Writes what looks back on the whole run; returns the paths. Every process draws, the first one writes."""
    walk = self._walk(state)
    if jax.process_index():
      return []
    files = [self.folder / 'interpolation.png', self.folder / 'training.gif', metrics_path.with_name('curves.png')]
    images.save_png(files[0], walk)
    frames = [np.asarray(Image.open(path)) for path in sorted(self.folder.glob('samples_*.png'))]
    images.save_animation(files[1], [np.atleast_3d(frame) for frame in frames], seconds=0.15, hold=2.0)
    curves.plot(metrics_path, files[2])
    return files

  def _walk(self, state: core.State) -> np.ndarray:
    """Rows that go from one random latent to another, with one label a row."""
    labels = np.resize(self.real['label'], WALKS)
    ends = self._prior(state, self._key, np.tile(labels, 2))
    start, end = (jax.tree.map(lambda x, half=half: x[half], ends) for half in (slice(WALKS), slice(WALKS, None)))
    walks = core.walk(self._algorithm, start, end, WALK_LENGTH)  # [walks, length, ...]
    latents = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), jax.device_get(walks))
    return images.grid(np.asarray(self._decode(state, latents, labels.repeat(WALK_LENGTH))), columns=WALK_LENGTH)


def reconstructs(algorithm: core.Algorithm, state: core.State, batch: core.Batch) -> bool:
  """Whether `decode` takes what `encode` gives: latents of the structure, shapes and dtypes that the prior draws."""
  if algorithm.encode is None:
    return False
  describe = lambda function, *inputs: jax.tree.map(lambda x: (x.shape, x.dtype), jax.eval_shape(function, *inputs))
  key = jax.random.key(0)
  given = describe(algorithm.encode, state, batch['image'], batch['label'])
  return given == describe(algorithm.prior, state, key, batch['label'])


def reference_batch(dataset: data.Dataset, config: ConfigDict) -> core.Batch:
  """Up to 64 held-out images, classes in turn: what samples are compared with, and what is reconstructed."""
  split = dataset.validation if len(dataset.validation) > 1 else dataset.train
  batch, mask = next(data.eval_batches(split, config.data, batch_size=min(len(split), 16 * REFERENCES)))
  labels = batch['label'][mask]
  rank = np.array([np.sum(labels[:i] == label) for i, label in enumerate(labels)])  # among those of its class
  chosen = np.lexsort((labels, rank))[:REFERENCES]
  return {name: array[chosen] for name, array in batch.items()}
