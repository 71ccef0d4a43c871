"""ADA's transformations against naive loops and hand-made matrices, image by image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import augment
from gengan.augment import ada
from gengan.augment.ada import blitting, chance, colors, filtering, geometry
from gengan.core import ArgumentError

SIZE, ROWS = 8, 6
IMAGES = {c: np.float32(np.random.default_rng(c).uniform(-1, 1, (ROWS, SIZE, SIZE, c))) for c in (1, 3)}
KEY = jax.random.key(3)
APPLY = {name: jax.jit(group, static_argnames='axis_name') for name, group in ada.GROUPS.items()}


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('name', ada.GROUPS)
def test_at_probability_0_images_stay_bit_by_bit_and_at_1_they_do_not(name, channels):
  images = IMAGES[channels]
  np.testing.assert_array_equal(APPLY[name](images, KEY, 0.0), images)
  moved = np.asarray(APPLY[name](images, KEY, 1.0))
  assert moved.shape == images.shape and moved.dtype == np.float32 and np.isfinite(moved).all()
  assert not np.array_equal(moved, images)
  np.testing.assert_array_equal(moved, APPLY[name](images, KEY, 1.0))  # the same key


@pytest.mark.parametrize('name', ada.GROUPS)
def test_gradients_reach_the_images_and_are_finite(name):
  weights = np.float32(np.random.default_rng(0).normal(size=IMAGES[3].shape))
  gradient = jax.jit(jax.grad(lambda x: jnp.sum(weights * ada.GROUPS[name](x, KEY, 1.0))))(IMAGES[3])
  assert np.isfinite(gradient).all()
  assert all(np.abs(of_image).max() > 0 for of_image in np.asarray(gradient))


@pytest.mark.parametrize('name', ada.GROUPS)
def test_devices_make_of_their_rows_what_one_device_makes_of_all(name):
  whole = ada.GROUPS[name](IMAGES[3], KEY, 0.7)
  parts = jax.vmap(lambda x: ada.GROUPS[name](x, KEY, 0.7, axis_name='data'), axis_name='data')(
    IMAGES[3].reshape(2, 3, SIZE, SIZE, 3)
  )
  np.testing.assert_allclose(parts.reshape(whole.shape), whole, atol=1e-6)


def test_a_value_is_drawn_as_often_as_the_probability_says():
  many = jnp.zeros((20_000, 1))
  found = chance.rows_of(many, KEY, 0.3, lambda key, rows: jnp.ones(rows), 0.0, axis_name=None)
  assert abs(float(found.mean()) - 0.3) < 0.01


def test_flips_turns_and_shifts_are_those_of_numpy():
  images = IMAGES[3]
  flipped = np.array([0, 1, 0, 1, 1, 0])
  turns, offsets = np.array([0, 1, 2, 3, 1, 0]), np.array([[0, 0], [1, 0], [0, -2], [3, 3], [-1, 2], [-4, 1]])
  found = [blitting.flip(images, flipped), blitting.turn(images, turns), blitting.shift(images, offsets)]
  for i, image in enumerate(images):
    np.testing.assert_array_equal(found[0][i], image[:, ::-1] if flipped[i] else image)
    np.testing.assert_array_equal(found[1][i], np.rot90(image, turns[i]))
    down, right = offsets[i]
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)), mode='reflect')
    np.testing.assert_array_equal(found[2][i], padded[4 - down : 12 - down, 4 - right : 12 - right])


def test_blit_draws_flips_half_of_the_times_and_every_turn_and_shift_alike():
  corner = np.zeros((4000, 8, 8, 1), np.float32)
  corner[:, 0, 1] = 1.0  # the eight flips and turns send it to eight places
  moved = np.asarray(jax.jit(lambda x, key: blitting.turn(*_flips_and_turns(x, key)))(corner, KEY))
  places = moved.reshape(4000, -1).argmax(axis=1)
  counts = np.bincount(places, minlength=64)
  assert (counts > 0).sum() == 8 and np.abs(counts[counts > 0] - 500).max() < 5 * np.sqrt(500)


def _flips_and_turns(images, key):
  keys = jax.random.split(key)
  draw = lambda number, most: chance.rows_of(
    images, keys[number], 1.0, lambda key, rows: jax.random.randint(key, (rows,), 0, most), 0, axis_name=None
  )
  return blitting.flip(images, draw(0, 2)), draw(1, 4)


def cubic(distance):
  """Keys' kernel with a = -1/2."""
  x = abs(distance)
  if x <= 1:
    return 1.5 * x**3 - 2.5 * x**2 + 1
  return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def naive_warp(image, matrix):
  """Pixel by pixel in float64: where it is read, then a sum over all pixels of the image mirrored at its edges."""
  size = len(image)
  margin = 4
  padded = np.pad(image.astype(np.float64), ((margin, margin), (margin, margin), (0, 0)), mode='reflect')
  widths = np.clip(np.sqrt((matrix[:, :2] ** 2).sum(axis=1)), 1, 2)
  fold = lambda at: min(at % (2 * size - 2), 2 * size - 2 - at % (2 * size - 2))
  out = np.zeros(image.shape)
  for i, j in np.ndindex(size, size):
    x, y = (matrix @ [(j - (size - 1) / 2) / size, (i - (size - 1) / 2) / size, 1]) * size + (size - 1) / 2
    of_rows, of_columns = (
      np.array([cubic((fold(at) - tap) / width) for tap in range(-margin, size + margin)])
      for at, width in ((y, widths[1]), (x, widths[0]))
    )
    out[i, j] = np.einsum('a,b,abc->c', of_rows / of_rows.sum(), of_columns / of_columns.sum(), padded)
  return out


@pytest.mark.parametrize('largest_product', [64, 4], ids=['products', 'gathering'])
def test_a_warp_is_that_of_a_loop_over_pixels(largest_product, monkeypatch):
  monkeypatch.setattr(geometry, 'LARGEST_PRODUCT', largest_product)
  turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
  matrices = np.zeros((ROWS, 2, 3), np.float32)
  linear = [np.eye(2), turn, np.diag([1.6, 0.7]), turn @ np.diag([0.8, 1.3]), np.eye(2), 1.5 * np.eye(2)]
  for i, shift in enumerate([(0, 0), (0, 0), (0.1, 0), (-0.2, 0.3), (0.05, -0.4), (0.9, -1.1)]):
    matrices[i] = np.concatenate([linear[i], np.array(shift)[:, None]], axis=1)
  found = geometry.warp(IMAGES[3], matrices)
  np.testing.assert_array_equal(found[0], IMAGES[3][0])
  for i in range(1, ROWS):
    np.testing.assert_allclose(found[i], naive_warp(IMAGES[3][i], matrices[i]), atol=2e-5, err_msg=str(i))


def test_maps_have_the_spread_of_the_paper():
  many = jnp.zeros((20_000, 8, 8, 1))
  maps = np.asarray(jax.jit(lambda key: geometry.affine(many, key, 1.0))(KEY), np.float64)
  linear, moved = maps[:, :, :2], maps[:, :, 2]
  scales = np.log2(np.sqrt(np.abs(np.linalg.det(linear))))  # aniso leaves the area: that of the one scale is left
  assert abs(scales.std() - 0.2) < 0.01 and abs(scales.mean()) < 0.01
  stretches = np.log2(np.linalg.svd(linear)[1])
  assert abs(np.sqrt((np.diff(stretches, axis=1) ** 2).mean()) / 2 - 0.2) < 0.01
  shifts = -np.linalg.solve(linear, moved[..., None])[..., 0]
  np.testing.assert_allclose(shifts.std(axis=0), 0.125, atol=0.005)


def test_rotated_is_an_image_as_often_as_the_probability_says():
  many = jnp.zeros((20_000, 8, 8, 1))
  maps = np.asarray(jax.jit(lambda key: geometry.affine(many, key, 0.4))(KEY))
  rotated = np.abs(maps[:, 0, 1]) > 1e-6
  assert abs(rotated.mean() - 0.4) < 0.015


def test_colours_move_as_the_matrices_of_the_paper_say():
  images, keys = IMAGES[3], jax.random.split(KEY, 5)
  draw = lambda number, draw: np.asarray(
    chance.rows_of(images, keys[number], 1.0, draw, 0.0, axis_name=None), np.float64
  )
  normal = lambda key, rows: jax.random.normal(key, (rows,))
  brightness, contrast, saturation = 0.2 * draw(0, normal), 2 ** (0.5 * draw(1, normal)), 2 ** draw(4, normal)
  flipped = draw(2, lambda key, rows: jax.random.bernoulli(key, 0.5, (rows,)).astype(jnp.float32))
  angle = draw(3, lambda key, rows: jax.random.uniform(key, (rows,), minval=-jnp.pi, maxval=jnp.pi))
  found = colors.color(images, KEY, 1.0)
  axis = np.ones(3) / np.sqrt(3)
  grey = np.outer(axis, axis)
  cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
  for i, image in enumerate(images.astype(np.float64)):
    pixels = (image + brightness[i]) * contrast[i]
    pixels = pixels @ (np.eye(3) - 2 * flipped[i] * grey).T
    turn = np.cos(angle[i]) * np.eye(3) + np.sin(angle[i]) * cross + (1 - np.cos(angle[i])) * grey
    pixels = pixels @ turn.T
    pixels = pixels @ (grey + (np.eye(3) - grey) * saturation[i]).T
    np.testing.assert_allclose(found[i], pixels, rtol=1e-4, atol=1e-5)


def test_grey_images_become_what_the_same_in_three_channels_become():
  images = IMAGES[1]
  of_three = colors.color(images.repeat(3, axis=3), KEY, 1.0)
  np.testing.assert_allclose(colors.color(images, KEY, 1.0), of_three[..., :1], atol=1e-5)


def test_other_channels_are_refused():
  with pytest.raises(ArgumentError, match='1 or 3 channels, not 2'):
    colors.color(jnp.zeros((1, 8, 8, 2)), KEY, 1.0)


def test_the_bands_sum_to_the_image_and_each_lies_in_its_octaves():
  longest = max(len(taps) for taps in filtering.filter_bank())
  total = sum(np.pad(taps, (longest - len(taps)) // 2) for taps in filtering.filter_bank())
  np.testing.assert_allclose(total, np.eye(1, longest, longest // 2)[0], atol=1e-12)
  edges = np.pi * np.array([0, 1 / 8, 1 / 4, 1 / 2, 1])
  frequencies = np.linspace(0, np.pi, 512)
  for taps, low, high in zip(filtering.filter_bank(), edges[:-1], edges[1:], strict=True):
    offsets = np.arange(len(taps)) - len(taps) // 2
    response = np.abs(np.exp(-1j * np.outer(frequencies, offsets)) @ taps)
    assert low / 1.5 <= frequencies[response.argmax()] <= min(high * 1.5, np.pi)
    inside = (frequencies >= low) & (frequencies <= high)
    assert response[inside].mean() > 2 * response[(frequencies < low / 2) | (frequencies > high * 2)].max(initial=0)


def test_images_are_filtered_by_convolutions_with_mirrored_edges():
  images, gains = IMAGES[3], np.float32([[2.0, 0.5, 1.0, 3.0]] * ROWS)
  bank = filtering.filter_bank()
  longest = max(map(len, bank))
  taps = sum(gain * np.pad(band, (longest - len(band)) // 2) for gain, band in zip(gains[0], bank, strict=True))
  fold = lambda at: min(at % (2 * SIZE - 2), 2 * SIZE - 2 - at % (2 * SIZE - 2))
  matrix = np.zeros((SIZE, SIZE))
  for i in range(SIZE):
    for k, tap in enumerate(taps):
      matrix[i, fold(i + k - longest // 2)] += tap
  expected = np.einsum('ij,njwc->niwc', matrix, images)
  expected = np.einsum('ij,nhjc->nhic', matrix, expected)
  np.testing.assert_allclose(filtering.filtered(images, gains), expected, rtol=1e-4, atol=1e-4)


def test_noise_has_the_spread_of_the_paper():
  moved = np.asarray(APPLY['ada_noise'](jnp.zeros((4000, 8, 8, 1)), KEY, 1.0))
  levels = moved.reshape(4000, -1).std(axis=1)
  assert abs(np.sqrt((levels**2).mean()) - 0.1) < 0.005
  assert abs(levels.mean() - 0.1 * np.sqrt(2 / np.pi)) < 0.005


def test_a_policy_names_groups_sets_and_factors():
  images = IMAGES[3]
  whole, parts = augment.policy('ada'), augment.policy('ada_blit,ada_geometric,ada_color')
  np.testing.assert_array_equal(whole(images, KEY, 0.5), parts(images, KEY, 0.5))
  many = jnp.zeros((4000, 8, 8, 1)) + 1.0
  cut = np.asarray(augment.policy('ada_cutout*0.5')(many, KEY, 0.6)).min(axis=(1, 2, 3)) == 0
  assert abs(cut.mean() - 0.3) < 0.03
  np.testing.assert_array_equal(augment.policy('ada_all,cutout*0.5')(images, KEY, 0.0), images)


@pytest.mark.parametrize('names', ['ada_colour', 'cutout*2', 'ada*0', 'ada*x'])
def test_names_and_factors_that_cannot_be_are_one_line(names):
  with pytest.raises(ArgumentError, match='augment is '):
    augment.policy(names)
