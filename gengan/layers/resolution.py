"""Image sizes that a network of doublings can make."""

from gengan.core import ArgumentError


def resolution_plan(image_size: int) -> tuple[int, int]:
  """(base, doublings) with image_size = base * 2^doublings and a base of 4 to 7 pixels: 28 -> (7, 2), 64 -> (4, 4).

  Raises:
    ArgumentError: there is no such base.
  """
  doublings = max(image_size // 4, 1).bit_length() - 1
  step = 2**doublings
  if doublings < 1 or image_size % step:
    near = sorted({max(image_size // step * step, 8), max((image_size // step + 1) * step, 8)})
    sizes = f'4, 5, 6 or 7 times a power of two from 2 on: nearest {" or ".join(map(str, near))}'
    raise ArgumentError('image_size', image_size, sizes)
  return image_size // step, doublings
