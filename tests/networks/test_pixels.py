import numpy as np

from gengan.networks import pixels


def test_large_images_are_averaged_to_16_pixels():
  images = np.zeros((1, 32, 32, 1), np.uint8)
  images[0, :16] = 200
  grid = np.asarray(pixels.pixels((32, 32, 1)).apply(images)['features']).reshape(16, 16)
  np.testing.assert_allclose(grid[:7], 200 / 127.5 - 1, atol=1e-5)
  np.testing.assert_allclose(grid[9:], -1, atol=1e-5)
