"""Perceptual path length: how far images move, as seen by a network, while the latents move a little."""

import functools
import operator
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gengan import core
from gengan.metrics import checks
from gengan.metrics.family import FLOAT_LATENTS, Family, Images, Inputs, Meaning, Model, Scores
from gengan.networks.network import Network

PATHS = 1000  # of the score
STEP = 1e-4  # of t along a path

Latents = Any  # a pytree of [N, ...]


def perceptual_path_length(
  decode: Callable[[Latents], np.ndarray],
  distance: Callable[[np.ndarray, np.ndarray], np.ndarray],
  start: Latents,
  end: Latents,
  *,
  interpolate: Callable[[Latents, Latents, np.ndarray], Latents] | None = None,
  positions: np.ndarray | float | None = None,
  epsilon: float = STEP,
  batch_size: int = 64,
  trim: tuple[float, float] = (1.0, 99.0),
  seed: int = 0,
) -> float:
  """mean of d(G(z(t)), G(z(t + epsilon))) / epsilon^2 over paths (Karras et al. 2019, eq. 2 on arcs, 3 on lines).

  Args:
    decode: latents of B paths -> images, deterministic: labels and noise are bound by the caller. Its last batch is
      filled up with repeated rows, so that one compiled shape serves all.
    distance: images, images -> [B] perceptual distances that are quadratic for small differences, such as LPIPS or the
      squared distance of features.
    start: pytree of [N, ...] latents where the paths begin.
    end: the same tree and shapes, where they end.
    interpolate: `(start, end, t [B])` -> latents of the points; None: `core.spherical`, for normal latents.
    positions: t in [0, 1], one a path or one for all (0: path ends, as in StyleGAN2); None: drawn uniformly.
    epsilon: step of t.
    batch_size: paths that are decoded at a time, twice.
    trim: percentiles of the distances, outside which they are left out of the mean; (0, 100) keeps all.
    seed: of the positions.

  Returns:
    The mean of the distances kept, in units of `distance`.
  """
  start, end, count = _checked(start, end)
  positions = _checked_settings(epsilon, trim, batch_size, positions, count, seed)
  between = interpolate or _every_row(core.spherical)
  lengths = []
  for first in range(0, count, batch_size):
    rows = np.arange(first, min(first + batch_size, count))
    filled = np.resize(rows, min(batch_size, count))
    ends = [jax.tree.map(operator.itemgetter(filled), each) for each in (start, end)]
    points = [between(*ends, positions[filled] + step) for step in (0.0, epsilon)]
    images = [decode(jax.tree.map(lambda x, like: np.asarray(x, like.dtype), point, start)) for point in points]
    found = checks.finite(distance(*images), 'distances')
    if found.shape != filled.shape:
      raise ValueError(
        f'distance gave the shape {list(found.shape)}; it must be one value a pair, {list(filled.shape)}'
      )
    lengths.append(found[: len(rows)].astype(np.float64) / epsilon**2)
  return _trimmed_mean(checks.finite(np.concatenate(lengths), 'distances / epsilon^2'), *trim)


def _checked(start: Latents, end: Latents) -> tuple[Latents, Latents, int]:
  """Both as trees of arrays that fit each other, and the number of paths."""
  finite = lambda tree, name: jax.tree.map(lambda x: checks.finite(x, name), tree)
  start, end = finite(start, 'start'), finite(end, 'end')
  shapes = [jax.tree.map(np.shape, each) for each in (start, end)]
  if shapes[0] != shapes[1]:
    raise ValueError(f'start has the shape {_text(shapes[0])} and end {_text(shapes[1])}; a path is one row of each')
  counts = {shape[0] if shape else 0 for shape in map(np.shape, jax.tree.leaves(start))}
  if len(counts) != 1 or 0 in counts:
    raise ValueError(f'start has the shape {_text(shapes[0])}; it must be [N, ...] with N paths')
  return start, end, counts.pop()


def _checked_settings(epsilon, trim, batch_size, positions, count, seed) -> np.ndarray:
  """Of `perceptual_path_length`; returns the positions [count]."""
  if not epsilon**2 > 0:
    raise ValueError(f'epsilon is {epsilon}; it must be positive, and its square too')
  if not 0 <= trim[0] < trim[1] <= 100:
    raise ValueError(f'trim is {trim}; it must be two percentiles in ascending order')
  checks.count(batch_size, 'batch_size')
  if positions is None:
    positions = np.random.default_rng(checks.seed(seed)).uniform(size=count)
  positions = np.broadcast_to(np.asarray(positions, np.float64), count)
  if not ((positions >= 0) & (positions <= 1)).all():
    raise ValueError('positions must be in [0, 1]')
  return positions


def _text(shapes: Any) -> str:
  return str(list(shapes) if isinstance(shapes, tuple) else shapes)


def _trimmed_mean(values: np.ndarray, low: float, high: float) -> float:
  least = np.percentile(values, low, method='lower')
  most = np.percentile(values, high, method='higher')
  return float(values[(values >= least) & (values <= most)].mean())


def scores(inputs: Inputs) -> Scores:
  """`path_length_<network>`: squared distances of features along 1,000 paths, shared equally by the classes.

  Those are the classes that training images have. Images reach the network unquantised.
  """
  model, network = inputs.model, inputs.network
  classes = model.trained_labels
  decode = model.compiled(model.algorithm.decode)
  lengths = [_of_class(model, network, decode, label, max(1, PATHS // len(classes)), inputs.seed) for label in classes]
  setting = f'path length: {PATHS} paths, steps of {STEP:g}'
  return Scores({f'path_length_{network.name}': float(np.mean(lengths))}, setting=setting)


def _of_class(model: Model, network: Network, decode: Callable, label: int, paths: int, seed: int) -> float:
  key = jax.random.fold_in(jax.random.key(seed), label)
  latents = jax.device_get(model.algorithm.prior(model.state, key, np.full(2 * paths, label, np.int32)))
  start, end = (jax.tree.map(operator.itemgetter(half), latents) for half in (slice(paths), slice(paths, None)))

  def features(latents):  # two programs: within one, the network's weights would be constants
    labels = np.full(len(jax.tree.leaves(latents)[0]), label, np.int32)
    return np.asarray(network.apply(decode(model.state, latents, labels))['features'])

  distance = lambda first, second: np.sum((first.astype(np.float64) - second) ** 2, axis=1)
  between = _every_row(model.algorithm.interpolate)
  return perceptual_path_length(features, distance, start, end, interpolate=between, seed=seed)


@functools.lru_cache(8)
def _every_row(interpolate: Callable) -> Callable[[Latents, Latents, np.ndarray], Latents]:
  """The same with a t of its own for every row."""
  one = lambda x: jax.tree.map(operator.itemgetter(None), x)
  rows = jax.jit(jax.vmap(lambda a, b, t: jax.tree.map(operator.itemgetter(0), interpolate(one(a), one(b), t))))
  return lambda a, b, t: rows(a, b, t.astype(np.float32))


FAMILY = Family(
  scores,
  {'path_length_': Meaning('lower', 'perceptual path length: how far features move along a latent walk')},
  needs=(FLOAT_LATENTS,),
  images=Images('none'),
)
