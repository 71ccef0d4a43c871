import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import augment

KEY = jax.random.key(3)


@pytest.fixture(scope='module')
def images():
  return np.random.default_rng(0).uniform(-1, 1, (6, 16, 8, 3)).astype(np.float32)


def test_translate_equals_a_loop_over_pixels(images):
  offset = np.array([[0, 0], [2, 0], [-2, 1], [1, -1], [0, 1], [16, 0]])
  expected = np.zeros_like(images)
  for n, (down, right) in enumerate(offset):
    for row in range(16):
      for column in range(8):
        if 0 <= row - down < 16 and 0 <= column - right < 8:
          expected[n, row, column] = images[n, row - down, column - right]
  np.testing.assert_array_equal(augment.translate(images, offset), expected)


def test_cutout_equals_slicing(images):
  centre = np.array([[0, 0], [8, 4], [15, 7], [3, 2], [12, 0], [0, 7]])
  expected = images.copy()
  for n, (row, column) in enumerate(centre):
    expected[n, max(row - 4, 0) : row + 4, max(column - 2, 0) : column + 2] = 0
  np.testing.assert_array_equal(augment.cutout(images, centre), expected)


def test_colour_operations_equal_their_formulas(images):
  amount = np.linspace(0, 2, 6, dtype=np.float32)
  for n, a in enumerate(amount):
    x = images[n].astype(np.float64)
    expected = {
      augment.brightness: x + a,
      augment.saturation: x.mean(-1, keepdims=True) + a * (x - x.mean(-1, keepdims=True)),
      augment.contrast: x.mean() + a * (x - x.mean()),
    }
    for operation, value in expected.items():
      np.testing.assert_allclose(operation(images, amount)[n], value, atol=1e-6)


def test_saturation_leaves_grey_images_alone(images):
  np.testing.assert_allclose(augment.saturation(images[..., :1], np.full(6, 1.7)), images[..., :1], atol=1e-6)


def test_the_drawn_amounts_stay_in_the_ranges_of_the_paper():
  rows = 4000
  ramp = jnp.broadcast_to(jnp.linspace(-1, 1, 16)[:, None, None] * jnp.array([1.0, 0.5, 0.0]), (rows, 16, 1, 3))
  mean = augment.color(ramp, KEY).mean((1, 2, 3))  # the ramp's mean is 0: what is left is the brightness
  assert -0.5 <= mean.min() < -0.49 and 0.49 < mean.max() <= 0.5

  spot = jnp.zeros((rows, 16, 16, 1)).at[:, 8, 8].set(1)
  where = np.argwhere(np.asarray(augment.translation(spot, KEY))[..., 0])[:, 1:] - 8
  assert len(where) == rows and set(where.ravel()) == {-2, -1, 0, 1, 2}
  assert abs(np.corrcoef(where.T)[0, 1]) < 0.1

  holes = np.asarray(augment.hole(jnp.ones((rows, 16, 16, 1)), KEY))[..., 0] == 0
  assert holes.sum((1, 2)).max() == 64 and holes.sum((1, 2)).min() == 16  # whole, and a corner of it
  assert holes.any(0).all()


def test_noise_is_gaussian_and_of_a_deviation_that_each_image_draws():
  grain = np.asarray(augment.noise(jnp.full((4000, 16, 16, 1), 0.5), KEY)) - 0.5
  deviations = grain.std((1, 2, 3), ddof=1)  # U[0, 0.4]: mean 0.2, standard deviation 0.4 / sqrt(12)
  np.testing.assert_allclose([deviations.mean(), deviations.std()], [0.2, 0.4 / 12**0.5], rtol=0.03)
  whitened = grain / deviations[:, None, None, None]
  assert abs(whitened.mean()) < 0.01 and abs((whitened**4).mean() - 3) < 0.06  # Gaussian: kurtosis 3
  assert abs((whitened[:, 1:] * whitened[:, :-1]).mean()) < 0.01


def test_rows_are_augmented_on_their_own(images):
  policy = augment.make('color,translation,cutout,noise')
  others = images.copy()
  others[1:] = 0
  np.testing.assert_array_equal(policy(images, KEY)[0], policy(others, KEY)[0])
  twice = policy(np.repeat(images[:1], 6, axis=0), KEY)
  assert not np.array_equal(twice[0], twice[1])


def test_gradients_flow_to_the_pixels_that_are_seen(images):
  gradient = jax.grad(lambda x: jnp.sum(augment.make('translation,cutout')(x, KEY)))(images)
  seen = np.asarray(augment.make('translation,cutout')(jnp.ones_like(images), KEY)).sum()
  assert set(np.unique(gradient)) == {0.0, 1.0} and gradient.sum() == seen


def test_no_policy_is_the_identity_and_an_unknown_one_is_named(images):
  assert augment.make('')(images, KEY) is images
  with pytest.raises(ValueError, match=r"config.augment names 'blur'; .* some of color, translation, cutout, noise,"):
    augment.make('color, blur')


def test_devices_augment_their_own_rows_as_one_device_would():
  images = np.random.default_rng(1).uniform(-1, 1, (8, 8, 8, 1)).astype(np.float32)
  whole = augment.make('color,translation,cutout,noise')(images, KEY)
  parts = jax.pmap(augment.make('color,translation,cutout,noise', axis_name='data'), 'data', in_axes=(0, None))(
    images.reshape(8, 1, 8, 8, 1), KEY
  )
  np.testing.assert_allclose(np.reshape(parts, whole.shape), whole, atol=1e-6)
