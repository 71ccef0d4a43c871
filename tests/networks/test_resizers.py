import numpy as np
import pytest
from PIL import Image

from gengan.networks import resizers


def naive_tensorflow(image, size):
  """[H, W] -> [size, size], a pixel at a time."""
  height, width = image.shape
  result = np.zeros((size, size))
  for i in range(size):
    for j in range(size):
      y, x = i * height / size, j * width / size
      top, left = int(y), int(x)
      bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
      upper = image[top, left] + (image[top, right] - image[top, left]) * (x - left)
      lower = image[bottom, left] + (image[bottom, right] - image[bottom, left]) * (x - left)
      result[i, j] = upper + (lower - upper) * (y - top)
  return result


def noise(*shape):
  return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)


@pytest.mark.parametrize(('height', 'width', 'size'), [(5, 7, 11), (13, 9, 4), (1, 3, 6), (8, 8, 8)])
def test_tensorflow_agrees_with_a_loop_over_pixels(height, width, size):
  images = noise(2, height, width, 3)
  resized = resizers.tensorflow(images, size)
  assert resized.shape == (2, size, size, 3) and resized.dtype == np.float32
  for image, result in zip(images, np.asarray(resized), strict=True):
    for channel in range(3):
      np.testing.assert_allclose(result[..., channel], naive_tensorflow(image[..., channel], size), atol=1e-3)


@pytest.mark.peers
@pytest.mark.parametrize(('height', 'width', 'size'), [(12, 20, 33), (32, 32, 299), (50, 30, 8)])
def test_tensorflow_agrees_with_a_shifted_grid_of_torch(height, width, size):
  torch = pytest.importorskip('torch')
  images = noise(2, height, width, 3)
  # Half-pixel centres, as PyTorch has them, read (length / size - 1) / 2 pixels further on than TensorFlow 1.
  theta = torch.tensor([[1, 0, 1 / width - 1 / size], [0, 1, 1 / height - 1 / size]]).double().repeat(2, 1, 1)
  grid = torch.nn.functional.affine_grid(theta, (2, 3, size, size), align_corners=False)
  x = torch.from_numpy(images).permute(0, 3, 1, 2).double()
  x = torch.nn.functional.grid_sample(x, grid, mode='bilinear', padding_mode='border', align_corners=False)
  np.testing.assert_allclose(resizers.tensorflow(images, size), x.permute(0, 2, 3, 1), atol=1e-2)


@pytest.mark.peers
@pytest.mark.parametrize(('height', 'width', 'size'), [(40, 23, 9), (60, 90, 29), (16, 16, 37)])
def test_clean_agrees_with_the_antialiased_bicubic_of_torch(height, width, size):
  torch = pytest.importorskip('torch')
  images = noise(2, height, width, 3)
  x = torch.from_numpy(images).permute(0, 3, 1, 2)
  x = torch.nn.functional.interpolate(x, size=(size, size), mode='bicubic', antialias=True, align_corners=False)
  np.testing.assert_allclose(resizers.clean(images, size), x.permute(0, 2, 3, 1).clip(0, 255), atol=1e-2)


def test_tensorflow_reads_at_multiples_of_the_step_and_repeats_the_last_pixel():
  # tf.compat.v1.image.resize_bilinear, which half-pixel centres or aligned corners would not give
  images = np.array([0.0, 10.0], np.float32).reshape(1, 1, 2, 1)
  np.testing.assert_allclose(np.asarray(resizers.tensorflow(images, 4))[0, 0, :, 0], [0, 5, 10, 10])


@pytest.mark.parametrize(('height', 'width', 'size'), [(6, 9, 17), (40, 23, 9), (7, 7, 7), (2, 300, 29)])
def test_clean_agrees_with_pillow(height, width, size):
  images = noise(2, height, width, 3)
  images[0, : height // 2] = 255.0  # an edge, where the kernel overshoots
  resized = np.asarray(resizers.clean(images, size))
  for image, result in zip(images, resized, strict=True):
    for channel in range(3):
      pillow = Image.fromarray(image[..., channel]).resize((size, size), Image.Resampling.BICUBIC)
      np.testing.assert_allclose(result[..., channel], np.asarray(pillow).clip(0, 255), atol=1e-3)


@pytest.mark.parametrize('name', resizers.RESIZERS)
def test_a_plain_image_stays_plain(name):
  images = np.full((1, 5, 31, 1), 200.0, np.float32)
  np.testing.assert_allclose(resizers.RESIZERS[name](images, 12), 200.0, rtol=1e-6)
