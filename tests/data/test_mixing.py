"""Streams of real and generated images: every example in its turn, whatever the batches."""

import itertools

import numpy as np
import pytest

from gengan.data import mixing


def numbered(size, first=0):
  labels = np.arange(first, first + size, dtype=np.int32)
  return np.broadcast_to(labels[:, None, None, None] % 256, (size, 2, 2, 1)).astype(np.uint8), labels


def labels_of(stream, start, stop):
  images, labels = stream(start, stop)
  assert images.dtype == np.uint8 and len(images) == len(labels) == stop - start
  assert (images[:, 0, 0, 0] == labels % 256).all()  # an image keeps its label
  return labels.tolist()


def test_an_epoch_holds_every_example_once_and_the_next_has_another_order():
  stream = mixing.shuffled(*numbered(10), seed=0)
  first, second = labels_of(stream, 0, 10), labels_of(stream, 10, 20)
  assert sorted(first) == sorted(second) == list(range(10)) and first != second


def test_a_stream_depends_on_positions_alone():
  stream = mixing.shuffled(*numbered(7), seed=1)
  whole = labels_of(stream, 0, 60)
  cut = [label for start in range(0, 60, 4) for label in labels_of(stream, start, start + 4)]
  assert cut == whole
  assert labels_of(mixing.shuffled(*numbered(7), seed=1), 31, 40) == whole[31:40]


@pytest.mark.parametrize('share', [0.0, 0.2, 0.5, 2 / 3, 0.9, 1.0])
def test_a_mix_holds_the_share_at_any_length_and_skips_nothing(share):
  real, generated = mixing.shuffled(*numbered(13), seed=0), mixing.shuffled(*numbered(11, first=100), seed=0)
  labels = np.array(labels_of(mixing.mix(real, generated, share=share), 0, 600))
  counts = np.cumsum(labels >= 100)
  positions = np.arange(1, 601)
  assert (np.abs(counts - positions * share) <= 1 + 1e-3).all()
  if share < 1:
    assert labels[labels < 100].tolist() == labels_of(real, 0, int((labels < 100).sum()))
  if share > 0:
    assert labels[labels >= 100].tolist() == labels_of(generated, 0, int((labels >= 100).sum()))


def test_a_mix_is_the_same_for_every_batch_size_and_resumes_anywhere():
  mixed = mixing.mix(
    mixing.shuffled(*numbered(13), seed=0), mixing.shuffled(*numbered(11, first=100), seed=0), share=0.3
  )
  whole = labels_of(mixed, 0, 120)
  for size in (5, 8, 120):
    assert [label for i in range(0, 120, size) for label in labels_of(mixed, i, i + size)] == whole
  resumed = next(mixing.iterate(mixed, batch_size=8, start=3))
  assert resumed['label'].tolist() == whole[24:32]
  assert resumed['image'].dtype == np.float32 and resumed['image'].min() >= -1 and resumed['image'].max() <= 1
  assert len(list(itertools.islice(mixing.iterate(mixed, batch_size=8), 3))) == 3


def test_impossible_mixes_are_refused():
  stream = mixing.shuffled(*numbered(3), seed=0)
  with pytest.raises(ValueError, match='must be from 0 to 1'):
    mixing.mix(stream, stream, share=1.5)
  with pytest.raises(ValueError, match='no set to train on'):
    mixing.shuffled(np.zeros((0, 2, 2, 1)), np.zeros(0), seed=0)
  with pytest.raises(ValueError, match='images are float32; they must be uint8'):
    mixing.shuffled(np.zeros((3, 2, 2, 1), np.float32), np.zeros(3, int), seed=0)
  with pytest.raises(ValueError, match='batch_size is 0; it must be at least 1'):
    mixing.iterate(stream, batch_size=0)
  larger = mixing.shuffled(np.zeros((3, 4, 4, 1), np.uint8), np.zeros(3, int), seed=0)
  with pytest.raises(ValueError, match=r'two streams differ in shape: .* and \(4, 4, 1\)'):
    next(mixing.iterate(mixing.mix(stream, larger, share=0.5), batch_size=4))
