"""Which real images stand beside samples, on image sets that are made here."""

import numpy as np
import pytest

from configs import conditional_dcgan, dcgan
from gengan import data
from gengan.data.dataset import Dataset, Split
from gengan.train import reference


def test_reference_images_are_held_out_and_take_the_classes_in_turn():
  config = dcgan.get_config()
  config.data.image_size = 8
  dataset = data.load(config.data)
  chosen = reference.choose(dataset, config)
  assert chosen.split == 'validation' and chosen.class_names == ()
  assert chosen.batch['image'].shape == (64, 8, 8, 1)
  np.testing.assert_array_equal(chosen.batch['label'], np.arange(64) % 10)
  held_out = {image.tobytes() for image in dataset.validation.images[:]}
  levels = np.rint((chosen.batch['image'] + 1) * 127.5).astype(np.uint8)
  assert all(image.tobytes() in held_out for image in levels)


def made(train, validation, names):
  """A set whose images are filled with their label times ten, plus one where they are held out."""

  def split(name, labels, more):
    labels = np.array(labels, np.int32)
    levels = (10 * labels + more).astype(np.uint8).reshape(-1, 1, 1, 1)
    return Split(name, np.broadcast_to(levels, (len(labels), 8, 8, 1)), labels, list(map(str, range(len(labels)))))

  splits = split('train', train, 0), split('validation', validation, 1), split('test', [], 0)
  return Dataset(*splits, num_classes=len(names), class_names=names, image_shape=(8, 8, 1), statistics={})


def levels(chosen):
  return np.rint((chosen.batch['image'][:, 0, 0, 0] + 1) * 127.5).astype(int)


@pytest.mark.parametrize(
  ('conditional', 'train', 'validation', 'split', 'count'),
  [
    (True, [0, 1] * 100, [0, 1] * 50, 'validation', 64),
    (True, [0, 1] * 100, [0] * 100, 'train', 64),  # a class without a held-out image
    (False, [0, 1] * 100, [0] * 100, 'validation', 64),
    (True, [0, 1] * 100, [0, 1] * 31, 'train', 64),  # too few
    (True, [0] * 100 + [1] * 3, [0] * 80 + [1], 'validation', 64),
    (False, [0, 1] * 5, [], 'train', 10),
    (False, [0], [], 'train', 1),
  ],
)
def test_training_images_stand_in_where_too_few_are_held_out(conditional, train, validation, split, count):
  config = (conditional_dcgan if conditional else dcgan).get_config()
  config.model.num_classes = 2
  chosen = reference.choose(made(train, validation, ('a', 'b')), config)
  assert (chosen.split, len(chosen.batch['label'])) == (split, count)
  np.testing.assert_array_equal(levels(chosen), 10 * chosen.batch['label'] + (split == 'validation'))
  assert set(chosen.batch['label'].tolist()) == set((validation if split == 'validation' else train)[:200])
  assert chosen.class_names == (('a', 'b') if conditional else ())
