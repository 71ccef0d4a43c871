"""What each arm shows a classifier."""

import numpy as np
import pytest

from gengan.data import mixing
from gengan.utility import arms

LABELS = np.repeat(np.arange(3, dtype=np.int32), [8, 4, 1])
REAL = np.zeros((13, 2, 2, 1), np.uint8), LABELS


def generate(size, seed, means):
  assert means in ('', 'recycle')
  return mixing.shuffled(np.full((size, 2, 2, 1), 255, np.uint8), np.arange(size, dtype=np.int32) % 3, seed=seed)


def generate_of(labels, seed):
  return np.full((len(labels), 2, 2, 1), 255, np.uint8), labels


def balanced(name):
  return arms.make_balanced(name, REAL, generate, num_synthetic=30, mixed_means='recycle', passes=5, seed=0)


def long_tailed(name):
  return arms.make_long_tailed(name, REAL, generate_of, num_classes=3, seed=0)


def test_arms_hold_the_share_of_generated_images_that_they_say():
  share = lambda name: (balanced(name).stream(0, 1300)[0] == 255).mean()
  assert [share(name) for name in ('real', 'oversampled', 'augmented', 'synthetic')] == [0, 0, 0, 1]
  assert share('mixed_1') == pytest.approx(0.5, abs=1e-3) and share('mixed_4') == pytest.approx(0.8, abs=1e-3)
  assert balanced('mixed_4').num_generated == 52 and balanced('synthetic').num_generated == 30


def test_only_the_arms_to_beat_differ_in_augmentation_and_passes():
  made = {name: balanced(name) for name in arms.balanced_names((1.0, 4.0), ('', 'recycle'))}
  assert [name for name, arm in made.items() if not arm.augmented] == ['real', 'oversampled']
  assert [name for name, arm in made.items() if arm.passes] == ['real']


def test_a_long_tail_is_balanced_by_oversampling_or_by_generated_images():
  for name, generated in (('oversampled', 0), ('balanced', 11)):
    images, labels = long_tailed(name).stream(0, 24)
    assert np.bincount(labels).tolist() == [8, 8, 8]
    assert (images[:, 0, 0, 0] == 255).sum() == generated == long_tailed(name).num_generated


def test_where_no_class_lacks_anything_nothing_is_generated():
  real = np.zeros((4, 2, 2, 1), np.uint8), np.array([0, 1, 1, 0])
  arm = arms.make_long_tailed('balanced', real, lambda labels, seed: 1 / 0, num_classes=2, seed=0)
  assert arm.num_generated == 0 and sorted(arm.stream(0, 4)[1]) == [0, 0, 1, 1]


def test_class_weights_make_every_class_count_alike():
  weights = long_tailed('weighted').class_weights
  np.testing.assert_allclose(weights * [8, 4, 1], [13 / 3] * 3)
  assert long_tailed('augmented').class_weights is None


def test_every_means_has_an_arm_of_its_own():
  asked = []
  names = arms.balanced_names((), ('', 'recycle', 'recycle+filter'))
  assert names[3:] == ('synthetic', 'synthetic_recycle', 'synthetic_recycle+filter')
  for name in names[3:]:
    arms.make_balanced(
      name, REAL, lambda size, seed, means: asked.append(means), num_synthetic=3, mixed_means='', passes=1, seed=0
    )
  assert asked == ['', 'recycle', 'recycle+filter']


def test_means_are_split_and_unknown_or_double_ones_refused():
  assert arms.split_means('recycle+expand') == ('recycle', 'expand') and arms.split_means('') == ()
  for wrong in ('recycling', 'filter+filter', 'filter+'):
    with pytest.raises(ValueError, match='joined by'):
      arms.split_means(wrong)
  with pytest.raises(ValueError, match='without filter or without relabel'):
    arms.split_means('recycle+relabel+filter')


def test_an_unknown_arm_is_refused():
  for make in (balanced, long_tailed):
    with pytest.raises(ValueError, match="no arm 'magic'"):
      make('magic')
