"""What a run is looked at with."""

import numpy as np
import pytest

from configs import dcgan
from gengan import data, runs


@pytest.fixture(scope='module')
def digits():
  config = dcgan.get_config()
  config.data.image_size = 8
  return config, data.load(config.data)


def test_reference_images_are_held_out_and_take_the_classes_in_turn(digits):
  config, dataset = digits
  batch = runs.reference_batch(dataset, config)
  assert batch['image'].shape == (64, 8, 8, 1)
  np.testing.assert_array_equal(batch['label'], np.arange(64) % 10)
  held_out = {image.tobytes() for image in dataset.validation.images[:]}
  levels = np.rint((batch['image'] + 1) * 127.5).astype(np.uint8)
  assert all(image.tobytes() in held_out for image in levels)


def test_the_example_batch_has_the_shapes_of_a_real_one(digits):
  config, dataset = digits
  real = next(data.train_iterator(dataset.train, config.data, batch_size=4, seed=0))
  example = runs.example_batch(config, 4)
  assert {k: (v.shape, v.dtype) for k, v in real.items()} == {k: (v.shape, v.dtype) for k, v in example.items()}


def test_a_folder_without_a_run_is_refused(tmp_path):
  with pytest.raises(FileNotFoundError, match='not the folder of a run'):
    runs.load(tmp_path)
