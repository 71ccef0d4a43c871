"""Perceptual path length: of generators whose derivatives are known."""

import numpy as np
import pytest

from gengan import core
from gengan.metrics.path_length import perceptual_path_length

RNG = np.random.default_rng(0)
START, END = RNG.normal(size=(2, 50, 12))
JACOBIAN = RNG.normal(size=(12, 7))


def squared(a, b):
  return np.square(a - b).sum(axis=-1)


def linear(latents):
  return latents @ JACOBIAN


def lerp(a, b, t):
  """In float64, unlike `core.linear`, so that the formula can be compared in all digits."""
  return a + t[:, None] * (b - a)


def slerp(a, b, t):
  """Likewise, for rows that are neither parallel nor opposite."""
  lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
  angle = np.arccos(np.sum(a * b, axis=1) / lengths)
  from_a, from_b = np.sin((1 - t) * angle) / np.sin(angle), np.sin(t * angle) / np.sin(angle)
  return from_a[:, None] * a + from_b[:, None] * b


def test_of_a_linear_generator_along_straight_lines():
  """Every step is epsilon (end - start) J, so its squared length over epsilon^2 does not depend on t."""
  length = perceptual_path_length(linear, squared, START, END, interpolate=lerp, trim=(0, 100))
  assert type(length) is float
  assert length == pytest.approx(np.square((END - START) @ JACOBIAN).sum(axis=1).mean(), rel=1e-6)


def test_on_the_sphere():
  """Unit latents move at the speed of the angle between them."""
  a, b = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (START, END))
  angles = np.arccos(np.sum(a * b, axis=1))
  length = perceptual_path_length(lambda z: z, squared, a, b, interpolate=slerp, trim=(0, 100))
  assert length == pytest.approx(np.mean(angles**2), rel=1e-6)


def test_extremes_are_trimmed_by_percentiles():
  speeds = np.concatenate([np.arange(1.0, 100.0), [1e6]])[:, None]  # of 100 paths
  kept = np.sort(speeds[:, 0])[1:99] ** 2  # the 1st and the 99th percentile are themselves kept
  length = perceptual_path_length(lambda z: z, squared, 0 * speeds, speeds, interpolate=lerp, positions=0.0)
  percentiles = np.percentile(speeds[:, 0] ** 2, [1, 99])
  inside = np.sort(speeds[:, 0] ** 2)
  expected = inside[np.searchsorted(inside, percentiles[0], 'right') - 1 : np.searchsorted(inside, percentiles[1]) + 1]
  assert length == pytest.approx(expected.mean(), rel=1e-6)
  narrow = perceptual_path_length(
    lambda z: z, squared, 0 * speeds, speeds, interpolate=lerp, positions=0.0, trim=(2, 98)
  )
  assert narrow < kept.max()


def test_batches_have_one_shape_and_positions_are_used():
  shapes = []

  def decode(latents):
    shapes.append(latents.shape)
    return np.sin(3 * latents)

  lengths = {
    size: perceptual_path_length(decode, squared, START, END, interpolate=slerp, batch_size=size, seed=4)
    for size in (1, 16, 50, 64)
  }
  assert len(set(np.round(list(lengths.values()), 6))) == 1
  assert set(shapes) == {(1, 12), (16, 12), (50, 12)}
  assert perceptual_path_length(decode, squared, START, END, interpolate=slerp, seed=5) != lengths[16]
  ends = perceptual_path_length(decode, squared, START, END, interpolate=lerp, positions=0, trim=(0, 100))
  slope = 3 * np.cos(3 * START) * (END - START)
  assert ends == pytest.approx(np.square(slope).sum(axis=1).mean(), rel=2e-3)


def test_latents_may_be_a_tree():
  tree = lambda z: {'a': z[:, :4], 'b': (z[:, 4:].reshape(50, 2, 4),)}
  whole = lambda latents: np.concatenate([latents['a'], latents['b'][0].reshape(len(latents['a']), -1)], axis=1)
  between = lambda a, b, t: tree(slerp(whole(a), whole(b), t))
  found = perceptual_path_length(lambda z: linear(whole(z)), squared, tree(START), tree(END), interpolate=between)
  expected = perceptual_path_length(linear, squared, START, END, interpolate=slerp)
  assert found == pytest.approx(expected, rel=1e-9)


def test_arcs_are_the_default_and_those_of_core():
  """To float32, of which a step of 1e-4 leaves three digits."""
  found = perceptual_path_length(linear, squared, START, END)
  assert found == pytest.approx(perceptual_path_length(linear, squared, START, END, interpolate=slerp), rel=5e-3)
  by_core = [np.asarray(core.spherical(START[i : i + 1], END[i : i + 1], 0.3))[0] for i in range(50)]
  np.testing.assert_allclose(slerp(START, END, np.full(50, 0.3)), by_core, atol=1e-5)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'end': END[:5]}, r'start has the shape \[50, 12\] and end \[5, 12\]'),
    ({'end': END[:, :5]}, r'start has the shape \[50, 12\] and end \[50, 5\]'),
    ({'start': {'z': START}, 'end': {'w': END}}, 'start has the shape'),
    ({'start': 1.0, 'end': 2.0}, r'it must be \[N, ...\] with N paths'),
    ({'epsilon': 0.0}, 'epsilon is 0.0'),
    ({'trim': (99, 1)}, 'trim is'),
    ({'positions': 1.5}, r'positions must be in \[0, 1\]'),
    ({'batch_size': 0}, 'batch_size is 0'),
    ({'distance': lambda a, b: a - b}, 'one value a pair'),
    ({'distance': lambda a, b: np.full(len(a), np.nan)}, 'distances holds values that are NaN'),
  ],
)
def test_refuses(changes, message):
  arguments = {'decode': linear, 'distance': squared, 'start': START, 'end': END, **changes}
  with pytest.raises(ValueError, match=message):
    perceptual_path_length(**arguments)
