"""Splits carved from a set that has none of its own."""

import numpy as np
import pytest

from gengan.data.sources.records import Source, array_records
from gengan.data.splits import split_indices, subset


def source_of(labels, own=()):
  labels = np.array(labels)
  images = np.zeros((len(labels), 2, 2), np.uint8)
  splits = {split: array_records(split, images, labels) for split in ('train', *own)}
  return Source('npz:set.npz', splits, tuple(str(i) for i in range(labels.max() + 1)), 'hash')


def carve(source, validation=0.1, test=0.1):
  return split_indices(source, validation_fraction=validation, test_fraction=test)


def test_parts_are_disjoint_and_complete():
  source = source_of(np.arange(500) % 7)
  parts = carve(source)
  assert all(origin == 'train' for origin, _ in parts.values())
  together = np.concatenate([indices for _, indices in parts.values()])
  np.testing.assert_array_equal(np.sort(together), np.arange(500))


def test_every_class_has_its_share():
  labels = np.repeat([0, 1, 2], [100, 40, 11])
  parts = carve(source_of(labels), validation=0.2, test=0.1)
  for split, fraction in (('validation', 0.2), ('test', 0.1)):
    counts = np.bincount(labels[parts[split][1]], minlength=3)
    np.testing.assert_allclose(counts, np.array([100, 40, 11]) * fraction, atol=0.5)


def test_the_choice_is_not_an_end_or_a_stride():
  _, test = carve(source_of(np.zeros(1000, int)))['test']
  gaps = np.diff(test)
  assert len(set(gaps.tolist())) > 10
  assert 350 < np.median(test) < 650


def test_an_added_example_moves_few_others():
  before = set(carve(source_of(np.zeros(1000, int)))['test'][1].tolist())
  after = set(carve(source_of(np.zeros(1001, int)))['test'][1].tolist())
  assert len(before ^ after) <= 2


def test_own_splits_are_kept():
  parts = carve(source_of([0] * 50, own=('test',)))
  assert parts['test'][0] == 'test'
  np.testing.assert_array_equal(parts['test'][1], np.arange(50))
  assert parts['validation'][0] == 'train'
  assert len(parts['validation'][1]) == 5
  assert len(parts['train'][1]) == 45
  parts = carve(source_of([0] * 50, own=('validation', 'test')))
  assert len(parts['train'][1]) == 50


def test_fractions_of_zero_give_empty_splits():
  parts = carve(source_of([0] * 50), validation=0.0, test=0.0)
  assert [len(parts[split][1]) for split in ('train', 'validation', 'test')] == [50, 0, 0]


@pytest.mark.parametrize(
  ('count', 'expected'), [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (4, (2, 1, 1)), (16, (12, 2, 2))]
)
def test_rare_classes_have_held_out_examples_as_far_as_there_are_enough(count, expected):
  labels = np.repeat([0, 1, 2], [100, count, 50])
  parts = carve(source_of(labels))
  found = [(labels[parts[split][1]] == 1).sum() for split in ('train', 'validation', 'test')]
  assert tuple(found) == expected
  assert len(carve(source_of([0]), validation=0.3, test=0.6)['train'][1]) == 1


def test_only_what_is_carved_takes_from_a_rare_class():
  parts = carve(source_of([0, 0], own=('test',)))
  assert [len(parts[split][1]) for split in ('train', 'validation')] == [1, 1]
  assert len(carve(source_of([0, 0]), test=0.0)['validation'][1]) == 1


def test_a_subset_keeps_so_many_of_every_class_and_lies_in_each_larger_one():
  labels = np.repeat(np.arange(4), [30, 8, 50, 20])
  names = [f'image_{i}' for i in range(len(labels))]
  keep = lambda per_class, seed=0: subset(names, labels, per_class=per_class, imbalance=1, seed=seed)
  few, more = keep(5), keep(15)
  assert np.bincount(labels[few]).tolist() == [5, 5, 5, 5]
  assert np.bincount(labels[more]).tolist() == [15, 8, 15, 15]
  assert set(few) < set(more) and (np.diff(few) > 0).all()
  assert set(few) != set(keep(5, seed=1))
  assert (keep(0) == np.arange(len(labels))).all()


def test_a_long_tail_falls_geometrically_from_the_first_class_to_the_last():
  labels = np.repeat(np.arange(3), [1000, 1200, 1100])
  names = [f'image_{i}' for i in range(len(labels))]
  kept = subset(names, labels, per_class=0, imbalance=100, seed=0)
  assert np.bincount(labels[kept]).tolist() == [1000, 100, 10]
  kept = subset(names, labels, per_class=20, imbalance=100, seed=0)
  assert np.bincount(labels[kept]).tolist() == [20, 2, 1]  # 0.2 rounds to none, but no class may vanish
