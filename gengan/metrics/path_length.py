"""Perceptual path length: how far images move, as seen by a network, while the latents move a little."""

from collections.abc import Callable

import numpy as np

from gengan.metrics import checks


def perceptual_path_length(
  decode: Callable[[np.ndarray], np.ndarray],
  distance: Callable[[np.ndarray, np.ndarray], np.ndarray],
  start: np.ndarray,
  end: np.ndarray,
  *,
  interpolation: str = 'slerp',
  positions: np.ndarray | float | None = None,
  epsilon: float = 1e-4,
  batch_size: int = 64,
  trim: tuple[float, float] = (1.0, 99.0),
  seed: int = 0,
) -> float:
  """mean of d(G(z(t)), G(z(t + epsilon))) / epsilon^2 over paths (Karras et al. 2019, eq. 2 with slerp, 3 with lerp).

  Args:
    decode: latents [B, Z] -> images, deterministic: labels and noise are bound by the caller. Its last batch is filled
      up with repeated rows, so that one compiled shape serves all.
    distance: images, images -> [B] perceptual distances that are quadratic for small differences, such as LPIPS or the
      squared distance of features.
    start: [N, Z] latents where the paths begin.
    end: [N, Z] where they end.
    interpolation: 'slerp' for normal latents, along great circles, or 'lerp' for those behind a mapping network.
    positions: t in [0, 1], one a path or one for all (0: path ends, as in StyleGAN2); None: drawn uniformly.
    epsilon: step of t.
    batch_size: paths that are decoded at a time, twice.
    trim: percentiles of the distances, outside which they are left out of the mean; (0, 100) keeps all.
    seed: of the positions.

  Returns:
    The mean of the distances kept, in units of `distance`.

  Raises:
    ValueError: shapes that do not fit, values that are not finite, or a setting out of range.
  """
  start, end = checks.pair(start, end, ('start', 'end'))
  if len(start) != len(end):
    raise ValueError(f'start has {len(start)} rows and end {len(end)}; a path is one of each')
  if interpolation not in ('slerp', 'lerp'):
    raise ValueError(f'interpolation is {interpolation!r}; it must be slerp or lerp')
  if not epsilon**2 > 0:
    raise ValueError(f'epsilon is {epsilon}; it must be positive, and its square too')
  if not 0 <= trim[0] < trim[1] <= 100:
    raise ValueError(f'trim is {trim}; it must be two percentiles in ascending order')
  checks.count(batch_size, 'batch_size')
  if positions is None:
    positions = np.random.default_rng(checks.seed(seed)).uniform(size=len(start))
  positions = np.broadcast_to(np.asarray(positions, np.float64), len(start))
  if not ((positions >= 0) & (positions <= 1)).all():
    raise ValueError('positions must be in [0, 1]')

  between = slerp if interpolation == 'slerp' else lerp
  lengths = []
  for first in range(0, len(start), batch_size):
    rows = np.arange(first, min(first + batch_size, len(start)))
    filled = np.resize(rows, min(batch_size, len(start)))
    ends = start[filled], end[filled]
    images = [decode(between(*ends, positions[filled] + step).astype(start.dtype)) for step in (0.0, epsilon)]
    found = checks.finite(distance(*images), 'distances')
    if found.shape != filled.shape:
      raise ValueError(
        f'distance gave the shape {list(found.shape)}; it must be one value a pair, {list(filled.shape)}'
      )
    lengths.append(found[: len(rows)].astype(np.float64) / epsilon**2)
  return _trimmed_mean(checks.finite(np.concatenate(lengths), 'distances / epsilon^2'), *trim)


def slerp(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
  """Spherical interpolation, sin((1 - t) w) / sin w a + sin(t w) / sin w b, with w the angle (White 2016, section 2.1).

  Args:
    a: [N, Z], no row of zeros.
    b: [N, Z].
    t: [N].

  Returns:
    [N, Z] in float64; along a straight line where a and b point the same way or exactly apart.

  Raises:
    ValueError: a row of zeros.
  """
  a, b = (np.asarray(each, np.float64) for each in (a, b))
  t = np.asarray(t, np.float64)[..., None]
  lengths = [np.linalg.norm(each, axis=-1, keepdims=True) for each in (a, b)]
  if not (lengths[0].all() and lengths[1].all()):
    raise ValueError('a latent of zeros has no direction to interpolate')
  u, v = a / lengths[0], b / lengths[1]
  # The angle from its half's tangent: arccos(u.v) loses half the digits where the two are close.
  angle = 2 * np.arctan2(np.linalg.norm(u - v, axis=-1, keepdims=True), np.linalg.norm(u + v, axis=-1, keepdims=True))
  sine = np.sin(angle)
  straight = sine < 1e-7
  safe = np.where(straight, 1.0, sine)
  return np.where(straight, lerp(a, b, t[..., 0]), (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / safe)


def lerp(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
  """a + t (b - a): [N, Z], [N, Z], [N] -> [N, Z] in float64."""
  a, b = (np.asarray(each, np.float64) for each in (a, b))
  return a + np.asarray(t, np.float64)[..., None] * (b - a)


def _trimmed_mean(values: np.ndarray, low: float, high: float) -> float:
  least = np.percentile(values, low, method='lower')
  most = np.percentile(values, high, method='higher')
  return float(values[(values >= least) & (values <= most)].mean())
