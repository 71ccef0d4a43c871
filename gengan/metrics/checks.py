"""What every metric asks of the arrays that it is given: a clear refusal instead of a number that means nothing."""

import numpy as np

LARGEST = 1e30  # in magnitude: differences in float32, and squares and cubes in float64, are far from overflow


class FewSamplesWarning(UserWarning):
  """The number is defined, but says as much about the number of samples as about the model."""


def features(array: np.ndarray, name: str, *, at_least: int = 1) -> np.ndarray:
  """The array as [N, D] of float32 or float64.

  Raises:
    ValueError: another shape, fewer than `at_least` rows, no columns, or values that are not finite numbers.
  """
  array = numbers(array, name)
  if array.ndim != 2 or not array.shape[1]:
    raise ValueError(f'{name} must be features [N, D], one row a sample, not {list(array.shape)}')
  if len(array) < at_least:
    raise ValueError(f'{name}: {len(array)} rows are too few, at least {at_least} are needed')
  return finite(array, name)


def pair(
  x: np.ndarray, y: np.ndarray, names: tuple[str, str], *, at_least: int | tuple[int, int] = 1
) -> tuple[np.ndarray, np.ndarray]:
  """Two arrays of features of the same dimensions; `at_least` as in `features`, for both or for each."""
  first, second = at_least if isinstance(at_least, tuple) else (at_least, at_least)
  x, y = features(x, names[0], at_least=first), features(y, names[1], at_least=second)
  if x.shape[1] != y.shape[1]:
    raise ValueError(f'{names[0]} has {x.shape[1]} dimensions and {names[1]} {y.shape[1]}; they must be the same')
  return x, y


def numbers(array: np.ndarray, name: str) -> np.ndarray:
  """The array, if it is one of real numbers."""
  try:
    array = np.asarray(array)
  except ValueError:
    raise ValueError(f'{name} is no array: its rows differ in length') from None
  if array.dtype.kind not in 'biuf' and array.dtype.name != 'bfloat16':
    raise ValueError(f'{name} must hold real numbers, not {array.dtype}')
  return array


def seed(value: int) -> int:
  """A seed of NumPy's and scikit-learn's generators."""
  return count(value, 'seed', at_least=0, at_most=2**32 - 1)


def finite(array: np.ndarray, name: str) -> np.ndarray:
  """The array as float32 (where that holds every value) or float64, finite and of a magnitude that can be squared."""
  array = numbers(array, name)
  exact_in_float32 = array.dtype.name in ('float32', 'float16', 'bfloat16')
  array = array.astype(np.float32 if exact_in_float32 else np.float64, copy=False)
  if array.size:
    low, high = array.min(), array.max()  # both are NaN where any value is
    if not (np.isfinite(low) and np.isfinite(high)):
      raise ValueError(f'{name} holds values that are NaN or infinite')
    if max(high, -low) > LARGEST:
      raise ValueError(f'{name} holds values beyond {LARGEST:g} in magnitude')
  return array


def labels(array: np.ndarray, rows: int, name: str) -> np.ndarray:
  """The array as [N] integers, one a row of what it labels."""
  array = np.asarray(array)
  if array.shape != (rows,):
    raise ValueError(f'{name} must be one label a row, [{rows}], not {list(array.shape)}')
  if array.dtype.kind not in 'biu':
    raise ValueError(f'{name} must be whole numbers, not {array.dtype}')
  return array


def count(value: int, name: str, *, at_least: int = 1, at_most: int | None = None) -> int:
  """A whole number within its limits, as an int."""
  try:
    whole = not isinstance(value, (bool, np.bool_)) and int(value) == value
  except (TypeError, ValueError, OverflowError):  # None, NaN, infinity
    whole = False
  if not whole or value < at_least or (at_most is not None and value > at_most):
    limits = f'of at least {at_least}' if at_most is None else f'from {at_least} to {at_most}'
    raise ValueError(f'{name} is {value}; it must be a whole number {limits}')
  return int(value)
