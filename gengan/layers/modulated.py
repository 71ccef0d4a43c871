"""Convolution whose kernel each image scales for itself (Karras et al. 2020, section 2.2)."""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from gengan.layers.convolution import Geometry, conv, conv_transpose
from gengan.layers.equalized import EqualizedDense, unit_normal
from gengan.layers.resampling import BINOMIAL, blurred

EPSILON = 1e-8  # under the root of the demodulation


class ModulatedConv(nn.Module):
  """Convolution padded SAME with a kernel k s, s an affine function of w; 'kernel' [k, k, I, O] over sqrt(k k I).

  A 'bias' [O] is added, 0 at the start.

  Attributes:
    features: O.
    kernel_size: k, odd.
    demodulate: divides each output by the norm of its kernel, see `modulated_conv`.
    up: 2: doubles the size and blurs.
    taps: of that blur.
  """

  features: int
  kernel_size: int
  demodulate: bool = True
  up: int = 1
  taps: tuple[float, ...] = BINOMIAL

  @nn.compact
  def __call__(self, x: jax.Array, w: jax.Array) -> jax.Array:
    """[N, H, W, I] and w [N, D] -> [N, H up, W up, O]."""
    shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
    kernel = self.param('kernel', unit_normal, shape) / math.sqrt(math.prod(shape[:3]))
    styles = EqualizedDense(x.shape[-1], bias=1.0, name='affine')(w)
    y = modulated_conv(x, kernel, styles, demodulate=self.demodulate, up=self.up, taps=self.taps)
    return y + self.param('bias', nn.initializers.zeros_init(), (self.features,)).astype(y.dtype)


def modulated_conv(
  x: jax.Array,
  kernel: jax.Array,
  styles: jax.Array,
  *,
  demodulate: bool = True,
  up: int = 1,
  taps: tuple[float, ...] = BINOMIAL,
) -> jax.Array:
  """Convolution of image n with the kernel k[.., i, o] s[n, i] (eq. 1), over its norm over all but o (eq. 3).

  A factor of an input may stand at the image and one of an output after the convolution, which is then the same for
  all images: one plain convolution, where the kernels of N images side by side would be a grouped one.

  Args:
    x: images [N, H, W, I].
    kernel: [k, k, I, O], k odd.
    styles: s [N, I].
    demodulate: divides by the norm.
    up: 2: transposed convolution with stride 2, blurred; [N, 2H, 2W, O].
    taps: of the blur.
  """
  scaled = x * styles[:, None, None].astype(x.dtype)
  y = _conv_up(scaled, kernel.astype(x.dtype), up, taps)
  if not demodulate:
    return y
  energy = jnp.square(kernel.astype(jnp.float32)).sum(axis=(0, 1))
  norms = jnp.square(styles.astype(jnp.float32)) @ energy
  return y * jax.lax.rsqrt(norms + EPSILON)[:, None, None].astype(y.dtype)


def _conv_up(x: jax.Array, kernel: jax.Array, up: int, taps: tuple[float, ...]) -> jax.Array:
  size = kernel.shape[0]
  if up == 1:
    pads = (size // 2, size // 2)
    return conv(Geometry(x.shape[1:3], (size, size), (1, 1), (pads, pads)), x, kernel)
  larger = tuple((n - 1) * up + size for n in x.shape[1:3])
  geometry = Geometry(larger, (size, size), (up, up), ((0, 0), (0, 0)))
  y = conv_transpose(geometry, x, kernel.swapaxes(2, 3))
  spare = len(taps) + up - size - 1  # pixels of padding that keep H up
  return blurred(y, taps, padding=((spare + 1) // 2, spare // 2), gain=up**2)
