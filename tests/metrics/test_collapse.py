"""Collapse is planted in real digits, and must be seen; other digits are no collapse."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from gengan.metrics import collapse

N = 64


@pytest.fixture(scope='module')
def digits():
  images = (load_digits().images / 8 - 1).astype(np.float32)[..., None].repeat(2, axis=1).repeat(2, axis=2)
  return np.random.default_rng(0).permutation(images)


def noisy(images, amount=0.1):
  noise = np.random.default_rng(1).normal(size=images.shape)
  return np.clip(images + amount * noise, -1, 1).astype(np.float32)


def test_diversity_and_nearest_equal_a_loop_over_pairs(digits):
  images = digits[:9]
  pooled = images.reshape(9, 8, 2, 8, 2, 1).mean(axis=(2, 4)).astype(np.float64)
  distances = np.array([[np.sqrt(np.mean((a - b) ** 2)) for b in pooled] for a in pooled])
  pairs = [distances[i, j] for i in range(9) for j in range(i)]
  neighbours = [min(distances[i, j] for j in range(9) if j != i) for i in range(9)]
  np.testing.assert_allclose(collapse.diversity(images), np.mean(pairs), rtol=1e-5)
  np.testing.assert_allclose(collapse.nearest(images), np.median(neighbours), rtol=1e-5)


def test_diversity_by_hand_and_with_sizes_that_do_not_divide():
  black_and_white = np.stack([np.full((7, 5, 3), -1.0), np.full((7, 5, 3), 1.0)])
  for size in (3, 5, 8):
    np.testing.assert_allclose(collapse.diversity(black_and_white, size=size), 2.0, rtol=1e-5)
  ramp = np.arange(3.0)[None, None, :, None] / 2 - np.zeros((1, 2, 1, 1))  # 0, 1/2, 1 in three columns
  # Two parts of a line of three pixels: (0 + 1/2 * 1/2) / (3/2) = 1/6 and 5/6.
  expected = np.sqrt((1 / 36 + 25 / 36) / 2)
  np.testing.assert_allclose(collapse.diversity(np.concatenate([ramp, 0 * ramp]), size=2), expected, rtol=1e-5)


def test_pooling_takes_pixel_noise_for_little(digits):
  constant = np.zeros((N, 64, 64, 1), np.float32)
  assert collapse.diversity(noisy(constant, 0.5)) < 0.1 < 0.3 < collapse.diversity(digits[:N])


@pytest.mark.parametrize('start', [0, 200, 400, 600, 800, 1000, 1200, 1400])
def test_held_out_digits_are_no_collapse(digits, start):
  report = collapse.check(digits[start : start + N], digits[start + N : start + 2 * N])
  assert report.warnings == []
  assert 0.9 < report.metrics['diversity_ratio'] < 1.1
  assert 0.7 < report.metrics['nearest_ratio'] < 1.4


@pytest.mark.parametrize(
  ('modes', 'message'), [(1, 'alike'), (2, 'alike|repeat'), (5, 'repeat'), (10, 'repeat'), (30, 'repeat')]
)
@pytest.mark.parametrize('noise', [0.0, 0.1])
def test_few_modes_are_seen_even_under_noise(digits, modes, message, noise):
  samples = noisy(digits[np.arange(N) % modes], noise)
  (warning,) = collapse.check(samples, digits[-N:]).warnings
  assert any(word in warning for word in message.split('|')), warning


def test_blank_samples_are_seen(digits):
  greys = np.broadcast_to(np.linspace(-1, 1, N)[:, None, None, None], digits[:N].shape)
  (warning,) = [w for w in collapse.check(greys, digits[-N:]).warnings if 'blank' in w]
  assert '0.0%' in warning
  assert len(collapse.check(np.zeros_like(digits[:N]), digits[-N:]).warnings) == 2  # blank, and alike


def test_a_discriminator_that_knows_everything_is_seen_only_while_it_lasts(digits):
  check = lambda real, fake: (
    collapse.check(digits[:N], digits[-N:], d_accuracy_real=real, d_accuracy_fake=fake).warnings
  )
  assert 'tells all images apart (accuracy at least 99.0%' in check([1.0, 0.995], [0.99, 1.0])[0]
  for real, fake in [([1.0, 0.9], [1.0, 1.0]), ([1.0, 1.0], [0.7, 1.0]), ([1.0], []), ([0.5], [0.5])]:
    assert check(real, fake) == []


def test_real_images_without_variety_ask_for_none(digits):
  same = digits[:1].repeat(4, axis=0)
  report = collapse.check(same, same)
  assert report.metrics['diversity_ratio'] == report.metrics['nearest_ratio'] == 1 and report.warnings == []


def test_bad_input(digits):
  broken = digits[:4].copy()
  broken[0, 0, 0] = np.nan
  assert collapse.check(broken, digits[:4]) == ({}, ['samples hold values that are NaN or infinite'])
  for samples, real, message in [
    (digits[:4], digits[:5], 'differ in shape'),
    (digits[:1], digits[:1], 'two or more images'),
    (digits[:4], broken, 'NaN or infinite'),
  ]:
    with pytest.raises(ValueError, match=message):
      collapse.check(samples, real)


def test_the_list_of_metrics_is_what_check_gives(digits):
  assert tuple(collapse.check(digits[:N], digits[N : 2 * N], d_accuracy_real=[], d_accuracy_fake=[]).metrics) == (
    collapse.METRICS
  )


def test_the_distance_of_tones_by_hand(digits):
  real = np.float32([0.0, 1.0, 0.0, 1.0]).reshape(1, 2, 2, 1)  # a deviation of 1/2
  np.testing.assert_allclose(collapse.tone_distance(real[:, ::-1], real), 0.0)
  np.testing.assert_allclose(collapse.tone_distance(real + 0.25, real), 0.5)
  np.testing.assert_allclose(collapse.tone_distance(0 * real, real), 1.0)  # the upper half is 1 away, the lower 0
  assert collapse.tone_distance(digits[:N], digits[N : 2 * N]) < 0.05
  assert collapse.tone_distance(np.maximum(digits[:N], -0.6), digits[N : 2 * N]) > 0.2  # a grey background


def checks(tones, *, diversity=(), nearest=()):
  """A history of checks at every 500th step."""
  get = lambda values, i: values[i] if values else 1.0
  return {
    500 * (i + 1): {'tone_distance': tone, 'diversity_ratio': get(diversity, i), 'nearest_ratio': get(nearest, i)}
    for i, tone in enumerate(tones)
  }


NOISE = np.random.default_rng(0).uniform(0.8, 1.25, 40)


@pytest.mark.parametrize(
  'history',
  [
    checks([0.9, 0.5]),
    checks(0.08 * NOISE),
    checks(np.geomspace(1.5, 0.03, 40) * NOISE),  # training that goes well
    checks([0.05, 0.05, 0.05, 0.6, 0.05, 0.05, 0.05, 0.6]),  # single outliers
    checks(0.05 * NOISE, diversity=list(NOISE), nearest=list(NOISE)),
    checks(0.05 * NOISE, nearest=list(np.linspace(2.5, 0.9, 40))),  # noise that goes is no loss
  ],
)
def test_healthy_runs_are_quiet(history):
  for end in range(1, len(history) + 1):
    assert collapse.drift(dict(list(history.items())[:end])) == []


def test_a_background_that_turns_grey_is_dated():
  history = checks([0.4, 0.1, 0.06, 0.05, 0.05, 0.06, 0.1, 0.15, 0.22, 0.3, 0.4, 0.5])
  ((name, text),) = collapse.drift(history)
  assert name == 'tone_distance'
  # Medians of three: 0.05 first at the fifth check, 0.22 at the tenth.
  assert text.endswith('since step 5000: tone_distance 0.05 at step 2500, now 0.40')


@pytest.mark.parametrize('name', ['diversity', 'nearest'])
def test_variety_that_is_lost_is_dated(name):
  values = [0.2, 0.8, 0.9, 0.9, 0.9, 0.8, 0.6, 0.5, 0.4, 0.4]
  ((metric, text),) = collapse.drift(checks([0.05] * 10, **{name: values}))
  assert metric == f'{name}_ratio'  # medians of three: 0.9 first at the fourth check, 0.6 at the eighth
  assert text.endswith(f'since step 4000: {name}_ratio 0.90 at step 2000, now 0.40')
