"""Sheets are read back cell by cell: where every image stands, and beside which name."""

import numpy as np
import pytest

from gengan.data import lettering, sheets

RNG = np.random.default_rng(0)


def cells(picture, side, rows, columns, *, above=0):
  """The images on a sheet without its labels: [rows, columns, side, side, C]."""
  step = side + 2
  body = picture[:, picture.shape[1] - (columns * step + 2) :]
  assert len(body) == rows * (step + above) + 2
  body = body[2:, 2:].reshape(rows, step + above, columns, step, -1).swapaxes(1, 2)
  return body[:, :, above : above + side, :side]


def noise(count, side=64, channels=1):
  return RNG.integers(0, 255, (count, side, side, channels), dtype=np.uint8)


def test_without_classes_a_sheet_is_a_square():
  drawn = noise(64)
  picture = sheets.by_class(drawn, np.zeros(64, int), ())
  np.testing.assert_array_equal(cells(picture, 64, 8, 8), drawn.reshape(8, 8, 64, 64, 1))
  np.testing.assert_array_equal(picture, sheets.square(drawn))


@pytest.mark.parametrize(('side', 'factor'), [(8, 8), (16, 4), (28, 2), (32, 2), (33, 1), (64, 1), (256, 1)])
def test_small_images_are_enlarged_by_whole_pixels(side, factor):
  picture = sheets.square(noise(1, side))
  assert picture.shape == (side * factor + 4, side * factor + 4, 1)
  blocks = picture[2:-2, 2:-2, 0].reshape(side, factor, side, factor)
  assert (blocks == blocks[:, :1, :, :1]).all()


@pytest.mark.parametrize(
  ('classes', 'of_class', 'columns'), [(1, 8, 8), (2, 4, 8), (3, 3, 8), (5, 2, 7), (10, 1, 7), (12, 1, 6)]
)
def test_every_class_has_rows_of_its_own_in_the_order_of_its_images(classes, of_class, columns):
  labels, drawn = np.arange(64) % classes, noise(64)
  picture = sheets.by_class(drawn, labels, [f'name {i}' for i in range(classes)])
  found = cells(picture, 64, classes * of_class, columns).reshape(classes, of_class * columns, 64, 64, 1)
  for label in range(classes):
    mine = drawn[labels == label]
    np.testing.assert_array_equal(found[label, : len(mine)], mine)
    assert (found[label, len(mine) :] == 255).all()
  margin = picture[:, : picture.shape[1] - (columns * 66 + 2)]
  written = [(margin[row * 66 + 2 : row * 66 + 66] < 128).any() for row in range(classes * of_class)]
  assert written == [row % of_class == 0 for row in range(classes * of_class)]


def test_of_many_classes_every_image_bears_its_name():
  labels = RNG.permutation(np.arange(64) % 20)
  drawn, names = noise(64, 16, 3), [f'{i}th' for i in range(20)]
  picture = sheets.by_class(drawn, labels, names)
  above = round(lettering.HEIGHT * sheets.CAPTION)
  order = np.argsort(labels, kind='stable')
  large = drawn[order].repeat(4, axis=1).repeat(4, axis=2).reshape(8, 8, 64, 64, 3)
  np.testing.assert_array_equal(cells(picture, 64, 8, 8, above=above), large)
  text = lettering.line('0th', sheets.CAPTION)
  np.testing.assert_array_equal(picture[2 : 2 + above, 2 : 2 + text.shape[1]], text)


def test_classes_without_an_image_have_no_row():
  picture = sheets.by_class(noise(4), [3, 1, 3, 1], list('abcd'))
  assert picture.shape[0] == 2 * 66 + 2


def test_labels_must_be_as_many_as_images():
  with pytest.raises(ValueError, match='2 labels for 3 images'):
    sheets.by_class(noise(3), [0, 1], ['a', 'b'])
