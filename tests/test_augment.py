import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import augment
from gengan.augment import operations

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
  np.testing.assert_array_equal(operations.translate(images, offset), expected)


def test_cutout_equals_slicing(images):
  centre = np.array([[0, 0], [8, 4], [15, 7], [3, 2], [12, 0], [0, 7]])
  expected = images.copy()
  for n, (row, column) in enumerate(centre):
    expected[n, max(row - 4, 0) : row + 4, max(column - 2, 0) : column + 2] = 0
  np.testing.assert_array_equal(operations.cutout(images, centre), expected)


def test_colour_operations_equal_their_formulas(images):
  amount = np.linspace(0, 2, 6, dtype=np.float32)
  for n, a in enumerate(amount):
    x = images[n].astype(np.float64)
    expected = {
      operations.brightness: x + a,
      operations.saturation: x.mean(-1, keepdims=True) + a * (x - x.mean(-1, keepdims=True)),
      operations.contrast: x.mean() + a * (x - x.mean()),
    }
    for operation, value in expected.items():
      np.testing.assert_allclose(operation(images, amount)[n], value, atol=1e-6)


def test_saturation_leaves_grey_images_alone(images):
  np.testing.assert_allclose(operations.saturation(images[..., :1], np.full(6, 1.7)), images[..., :1], atol=1e-6)


def test_the_drawn_amounts_stay_in_the_ranges_of_the_paper():
  rows = 4000
  ramp = jnp.broadcast_to(jnp.linspace(-1, 1, 16)[:, None, None] * jnp.array([1.0, 0.5, 0.0]), (rows, 16, 1, 3))
  mean = operations.color(ramp, KEY).mean((1, 2, 3))  # the ramp's mean is 0: what is left is the brightness
  assert -0.5 <= mean.min() < -0.49 and 0.49 < mean.max() <= 0.5

  spot = jnp.zeros((rows, 16, 16, 1)).at[:, 8, 8].set(1)
  where = np.argwhere(np.asarray(operations.translation(spot, KEY))[..., 0])[:, 1:] - 8
  assert len(where) == rows and set(where.ravel()) == {-2, -1, 0, 1, 2}
  assert abs(np.corrcoef(where.T)[0, 1]) < 0.1

  holes = np.asarray(operations.hole(jnp.ones((rows, 16, 16, 1)), KEY))[..., 0] == 0
  assert holes.sum((1, 2)).max() == 64 and holes.sum((1, 2)).min() == 16  # whole, and a corner of it
  assert holes.any(0).all()


def test_noise_is_gaussian_and_of_a_deviation_that_each_image_draws():
  grain = np.asarray(operations.noise(jnp.full((4000, 16, 16, 1), 0.5), KEY)) - 0.5
  deviations = grain.std((1, 2, 3), ddof=1)  # U[0, 0.4]: mean 0.2, standard deviation 0.4 / sqrt(12)
  np.testing.assert_allclose([deviations.mean(), deviations.std()], [0.2, 0.4 / 12**0.5], rtol=0.03)
  whitened = grain / deviations[:, None, None, None]
  assert abs(whitened.mean()) < 0.01 and abs((whitened**4).mean() - 3) < 0.06  # Gaussian: kurtosis 3
  assert abs((whitened[:, 1:] * whitened[:, :-1]).mean()) < 0.01


def test_rows_are_augmented_on_their_own(images):
  policy = augment.policy('color,translation,cutout,noise')
  others = images.copy()
  others[1:] = 0
  np.testing.assert_array_equal(policy(images, KEY)[0], policy(others, KEY)[0])
  twice = policy(np.repeat(images[:1], 6, axis=0), KEY)
  assert not np.array_equal(twice[0], twice[1])


def test_gradients_flow_to_the_pixels_that_are_seen(images):
  gradient = jax.grad(lambda x: jnp.sum(augment.policy('translation,cutout')(x, KEY)))(images)
  seen = np.asarray(augment.policy('translation,cutout')(jnp.ones_like(images), KEY)).sum()
  assert set(np.unique(gradient)) == {0.0, 1.0} and gradient.sum() == seen


def test_no_policy_is_the_identity_and_an_unknown_one_is_named(images):
  assert augment.policy('')(images, KEY) is images
  with pytest.raises(ValueError, match=r"augment is 'color, blur'; .* some of color, translation, .*ada,"):
    augment.policy('color, blur')


def test_devices_augment_their_own_rows_as_one_device_would():
  images = np.random.default_rng(1).uniform(-1, 1, (8, 8, 8, 1)).astype(np.float32)
  whole = augment.policy('color,translation,cutout,noise')(images, KEY)
  parts = jax.pmap(augment.policy('color,translation,cutout,noise', axis_name='data'), 'data', in_axes=(0, None))(
    images.reshape(8, 1, 8, 8, 1), KEY
  )
  np.testing.assert_allclose(np.reshape(parts, whole.shape), whole, atol=1e-6)


def test_a_probability_leaves_operations_out_row_by_row(images):
  rows = np.repeat(images[:1], 4000, axis=0)
  apply = augment.policy('cutout')
  touched = lambda p: np.any(np.asarray(apply(rows, KEY, p)) != rows, axis=(1, 2, 3)).mean()
  assert touched(0.0) == 0 and touched(1.0) == 1
  assert touched(jnp.float32(0.3)) == pytest.approx(0.3, abs=0.03)
  both = augment.policy('translation,cutout')
  assert np.any(np.asarray(both(rows, KEY, 0.5)) != rows, axis=(1, 2, 3)).mean() < 0.8  # of each by itself: 3/4


def test_a_scheduled_probability_is_that_of_the_step(images):
  rising = augment.fixed('cutout', probability=lambda step: step / 100)
  rows = np.repeat(images[:1], 2000, axis=0)
  touched = lambda step: np.any(np.asarray(rising.apply(rows, KEY, {}, step)) != rows, axis=(1, 2, 3)).mean()
  assert touched(jnp.int32(0)) == 0 and touched(jnp.int32(60)) == pytest.approx(0.6, abs=0.04)
  assert rising.update({}, jnp.ones(3), 3) == {}


def test_the_probability_adapts_to_how_sure_d_is():
  ada = augment.adaptive('cutout', target=0.6, kimg=1.0)
  memory = ada.init()
  assert float(memory['probability']) == 0
  sure, unsure = jnp.float32(0.8), jnp.float32(0.5)
  for _ in range(3):
    memory = ada.update(memory, sure, 10)
  assert float(memory['probability']) == pytest.approx(0.03)
  for _ in range(7):
    memory = ada.update(memory, unsure, 10)
  assert float(memory['probability']) == 0  # never below
  for _ in range(120):
    memory = ada.update(memory, sure, 10)
  assert float(memory['probability']) == 1  # never above
  images = jnp.ones((50, 8, 8, 1))
  assert np.any(np.asarray(ada.apply(images, KEY, memory, 0)) != 1)
  assert np.all(np.asarray(ada.apply(images, KEY, ada.init(), 0)) == 1)


@pytest.mark.parametrize(
  ('make', 'message'),
  [
    (lambda: augment.fixed('cutout', probability=1.5), 'augment_probability is 1.5'),
    (lambda: augment.adaptive('cutout', target=1.0), 'ada_target is 1.0'),
    (lambda: augment.adaptive('cutout', kimg=0), 'ada_kimg is 0'),
    (lambda: augment.adaptive('blur'), "augment is 'blur'"),
  ],
)
def test_impossible_probabilities_are_named(make, message):
  with pytest.raises(ValueError, match=message):
    make()
