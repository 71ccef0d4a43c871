"""Changes of size by a finite impulse response: blurred while pixels are added or left out (Karras et al. 2020).

Along one axis y[j] = sum_k f[k] u[j down + k - low], where u has x[i] at i up and zeros between. The transpose in x has
the same form with up and down exchanged and the taps turned, so that derivatives of any order are as quick as it is:
sums of shifted images, no convolution. Forward-mode differentiation is not supported.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gengan.core import ArgumentError

BINOMIAL = (1, 3, 3, 1)  # the taps of StyleGAN2


class Filter(NamedTuple):
  """One axis: see the module; `size` is the output's, `input_size` that of x."""

  taps: tuple[float, ...]
  up: int
  down: int
  low: int
  input_size: int
  size: int

  def starts(self, r: int) -> list[int | None]:
    """The pixel of x under each tap of output r; None: it is a zero between two pixels."""
    places = [divmod(r * self.down + k - self.low, self.up) for k in range(len(self.taps))]
    return [pixel if between == 0 else None for pixel, between in places]

  @property
  def transpose(self) -> 'Filter':
    low = len(self.taps) - 1 - self.low
    return Filter(self.taps[::-1], self.down, self.up, low, self.size, self.input_size)


def resampled(x: jax.Array, taps: Sequence[float], *, up: int = 1, down: int = 1) -> jax.Array:
  """Images [N, H, W, C] with `up` times the pixels and then every `down`-th of them: [N, H up / down, W up / down, C].

  Zeros are put between the pixels, the image is blurred along both axes, and pixels are left out. Beyond the border
  there are zeros; elsewhere a constant image stays what it is. With as many taps more than a factor as make an even
  number the centre stays the centre; otherwise the image moves by half a pixel.

  Args:
    taps: along either axis, divided by their sum here.
    up: factor of the size.
    down: divisor of the size, which must divide it.

  Raises:
    ArgumentError: a factor below 1, taps with the sum 0, or a size that does not divide.

  >>> images = jnp.ones((1, 8, 8, 3))
  >>> resampled(images, BINOMIAL, up=2).shape, resampled(images, (1, 2, 1), down=2).shape
  ((1, 16, 16, 3), (1, 4, 4, 3))
  """
  for name, factor in (('up', up), ('down', down)):
    if factor < 1:
      raise ArgumentError(name, factor, 'at least 1')
  height, width = x.shape[1] * up, x.shape[2] * up
  if height % down or width % down:
    raise ArgumentError('down', down, f'a divisor of the size, {height} x {width} pixels')
  return _both_axes(x, taps, up, down, (len(taps) + up - down) // 2, (height // down, width // down))


def blurred(x: jax.Array, taps: Sequence[float], *, padding: tuple[int, int], gain: float = 1.0) -> jax.Array:
  """Images [N, H, W, C] filtered along both axes: H' = H + low + high - taps + 1.

  Args:
    taps: along either axis, divided by their sum here.
    padding: (low, high), zeros around the image along either axis.
    gain: factor of the result.
  """
  grown = sum(padding) - len(taps) + 1
  return _both_axes(x, taps, 1, 1, padding[0], (x.shape[1] + grown, x.shape[2] + grown), gain**0.5)


def _both_axes(x, taps, up, down, low, sizes, gain=1.0):
  total = float(sum(taps))
  if not total:
    raise ArgumentError('taps', tuple(taps), 'numbers whose sum is not 0')
  taps = tuple(float(tap) * up * gain / total for tap in taps)
  for axis, size in zip((1, 2), sizes, strict=True):
    x = _filtered(Filter(taps, up, down, low, x.shape[axis], size), axis, x)
  return x


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _filtered(how: Filter, axis: int, x: jax.Array) -> jax.Array:
  """One axis; the outputs r, r + up, r + 2 up, ... are a sum of the same taps on every `down`-th pixel of x."""
  count = -(-how.size // how.up)
  reach = (count - 1) * how.down + 1
  taps = [
    [(f, start) for f, start in zip(how.taps, how.starts(r), strict=True) if start is not None] for r in range(how.up)
  ]
  starts = [start for found in taps for _, start in found] or [0]
  low, high = max(0, -min(starts)), max(0, max(starts) + reach - how.input_size)
  x = jnp.pad(x, [(low, high) if i == axis else (0, 0) for i in range(x.ndim)])
  pixels = lambda start: jax.lax.slice_in_dim(x, low + start, low + start + reach, how.down, axis)
  nothing = jnp.zeros_like(pixels(-low))
  outputs = [sum((f * pixels(start) for f, start in found), nothing) for found in taps]
  y = jnp.stack(outputs, axis + 1).reshape(*x.shape[:axis], count * how.up, *x.shape[axis + 1 :])
  return jax.lax.slice_in_dim(y, 0, how.size, axis=axis)


_filtered.defvjp(
  lambda how, axis, x: (_filtered(how, axis, x), None),
  lambda how, axis, _, y: (_filtered(how.transpose, axis, y),),
)
