"""Labels that are found in images: the most probable class, block by block, or one clear line."""

import numpy as np
import pytest

from gengan.generate.relabelling import BLOCK, relabelled


def test_every_image_gets_its_most_probable_class_across_blocks():
  images = np.random.default_rng(0).integers(0, 256, (BLOCK + 9, 2, 2, 1), np.uint8)
  seen = []

  def judge(block):
    seen.append(block)
    return np.stack([1 - block.mean((1, 2, 3)), 1 + block.mean((1, 2, 3)), np.zeros(len(block))], axis=1)

  labels = relabelled(judge, images, num_classes=3)
  np.testing.assert_array_equal(labels, [int(image.mean() > 127.5) for image in images])
  assert labels.dtype == np.int32 and [len(block) for block in seen] == [BLOCK, 9]
  everything = np.concatenate(seen)
  assert everything.dtype == np.float32 and everything.min() >= -1 and everything.max() <= 1
  np.testing.assert_allclose(everything, images / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
  'answer, message', [(np.ones((4, 2)), r'\[4, 2\] for 4 images of 3 classes'), (np.full((4, 3), np.nan), 'not finite')]
)
def test_an_answer_that_is_no_probability_is_refused(answer, message):
  with pytest.raises(ValueError, match=message):
    relabelled(lambda block: answer, np.zeros((4, 2, 2, 1), np.uint8), num_classes=3)
