"""Stacks of three against the images that they are made of."""

from collections import Counter

import numpy as np
import pytest

from gengan import data
from gengan.config import defaults
from gengan.data.sources import open_source
from gengan.evaluate.classifiers import first_channel
from gengan.host.errors import ArgumentError
from tests.data.sources.test_idx import write_set


def test_each_channel_has_every_image_once_and_the_label_names_all_three(tmp_path):
  content = write_set(tmp_path)
  source, single = open_source(f'stacked:{tmp_path}'), open_source(f'idx:{tmp_path}')
  assert source.class_names[1] == ''.join(single.class_names[i] for i in (0, 0, 1))
  for split, (images, _) in zip(('train', 'test'), content.values(), strict=True):
    records, labels = source.splits[split], single.splits[split].labels
    label_of = {image.tobytes(): str(single.class_names[label]) for image, label in zip(images, labels, strict=True)}
    stacks = np.stack([records.read(i) for i in range(len(records))])
    for channel in range(3):
      assert Counter(image.tobytes() for image in stacks[..., channel]) == Counter(label_of.keys())
    for stack, label in zip(stacks, records.labels, strict=True):
      names = ''.join(label_of[np.ascontiguousarray(stack[..., channel]).tobytes()] for channel in range(3))
      assert source.class_names[label] == names


def test_the_draw_is_always_the_same_and_pairs_are_not_of_one_image(tmp_path):
  write_set(tmp_path)
  first, second = (open_source(f'stacked:{tmp_path}') for _ in range(2))
  assert first.sha256 == second.sha256
  stacks = np.stack([first.splits['train'].read(i) for i in range(7)])
  assert (stacks[..., 0] != stacks[..., 1]).any()


def test_the_red_channel_is_a_set_of_its_own(tmp_path):
  write_set(tmp_path)
  settings = {'source': f'stacked:{tmp_path}', 'image_size': 8, 'channels': 3}
  dataset = data.load(defaults.data('digits', **settings, validation_fraction=0.0))
  red = first_channel(dataset)
  classes = len(open_source(f'idx:{tmp_path}').class_names)
  assert red.image_shape == (8, 8, 1)
  assert red.num_classes == classes
  np.testing.assert_array_equal(red.train.images[..., 0], dataset.train.images[..., 0])
  names = [dataset.class_names[label][0] for label in dataset.train.labels]
  assert [open_source(f'idx:{tmp_path}').class_names[label] for label in red.train.labels] == names


def test_stacks_need_three_channels(tmp_path):
  write_set(tmp_path)
  with pytest.raises(ArgumentError, match=r'channels is 1 .* must be 3'):
    data.load(defaults.data('digits', source=f'stacked:{tmp_path}'))
