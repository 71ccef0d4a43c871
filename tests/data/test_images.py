"""Pictures are checked by reading them back with Pillow and against levels and formulas worked out by hand."""

import weakref
from unittest import mock

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from gengan.data import images


@pytest.fixture(scope='module')
def digits():
  return (load_digits().images / 8 - 1).astype(np.float32)[..., None]


def test_to_uint8_is_the_inverse_of_scaling_for_every_level():
  levels = np.arange(256)
  scaled = (levels / 127.5 - 1).astype(np.float32).reshape(1, 16, 16, 1)
  np.testing.assert_array_equal(images.to_uint8(scaled).ravel(), levels)
  np.testing.assert_array_equal(images.to_uint8(jnp.asarray(scaled)).ravel(), levels)


def test_to_uint8_rounds_to_the_nearest_level_and_clips():
  half = 1 / 127.5 / 2
  x = np.array([-7.0, -1 + 0.9 * half, -1 + 1.1 * half, 0.0, 1 - 0.9 * half, 1 - 1.1 * half, 7.0], np.float32)
  np.testing.assert_array_equal(images.to_uint8(x.reshape(1, 1, 7, 1)).ravel(), [0, 0, 1, 128, 255, 254, 255])


def test_to_uint8_takes_bfloat16():
  assert images.to_uint8(jnp.ones((1, 2, 2, 3), jnp.bfloat16)).tolist() == np.full((1, 2, 2, 3), 255).tolist()


@pytest.mark.parametrize(
  ('bad', 'message'),
  [
    (np.full((1, 2, 2, 1), np.nan, np.float32), '4 values that are NaN or infinite'),
    (np.full((1, 2, 2, 1), np.inf, np.float32), 'NaN or infinite'),
    (np.zeros((1, 2, 2, 1), np.int32), 'must be float'),
    (np.zeros((1, 2, 2, 4), np.float32), 'C = 1 or 3'),
  ],
)
def test_to_uint8_refuses(bad, message):
  with pytest.raises(ValueError, match=message):
    images.to_uint8(bad)


@pytest.mark.parametrize('channels', [1, 3])
def test_grid_puts_every_image_where_it_belongs(channels):
  pictures = np.random.default_rng(0).integers(0, 255, (5, 4, 6, channels), dtype=np.uint8)
  out = images.grid(pictures, columns=3, padding=2, background=77)
  assert out.shape == (2 * (4 + 2) + 2, 3 * (6 + 2) + 2, channels) and out.dtype == np.uint8
  covered = np.zeros(out.shape[:2], bool)
  for index, picture in enumerate(pictures):
    top, left = 2 + index // 3 * 6, 2 + index % 3 * 8
    np.testing.assert_array_equal(out[top : top + 4, left : left + 6], picture)
    covered[top : top + 4, left : left + 6] = True
  assert (out[~covered] == 77).all()  # padding, border and the empty sixth cell


def test_grid_is_square_by_default_and_scales_pixels(digits):
  assert images.grid(digits[:10], padding=0).shape == (3 * 8, 4 * 8, 1)
  scaled = images.grid(digits[:1], padding=0, scale=3)
  np.testing.assert_array_equal(scaled, np.kron(images.to_uint8(digits[0])[..., 0], np.ones((3, 3)))[..., None])


def test_row_labels_add_ink_beside_their_row_only(digits):
  plain = images.grid(digits[:6], columns=2, scale=4)
  labelled = images.grid(digits[:6], columns=2, scale=4, row_labels=['', 'a name', ''])
  margin = labelled.shape[1] - plain.shape[1]
  np.testing.assert_array_equal(labelled[:, margin:], plain)
  ink = (labelled[:, :margin, 0] < 128).any(axis=1)
  assert ink[34:68].any() and not ink[:34].any() and not ink[68:].any()
  with pytest.raises(ValueError, match='1 row labels for 3 rows'):
    images.grid(digits[:6], columns=2, row_labels=['one'])


@pytest.mark.parametrize('channels', [1, 3])
def test_png_reads_back_with_its_text(tmp_path, channels):
  picture = np.random.default_rng(0).integers(0, 255, (5, 7, channels), dtype=np.uint8)
  images.save_png(tmp_path / 'new' / 'a.png', picture, text={'step': '12', 'class': 'naïve 数'})
  image = Image.open(tmp_path / 'new' / 'a.png')
  np.testing.assert_array_equal(np.asarray(image).reshape(picture.shape), picture)
  assert image.text == {'step': '12', 'class': 'naïve 数'}
  with pytest.raises(ValueError, match=r'must be \.png'):
    images.save_png(tmp_path / 'a.jpg', picture)


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
  path = tmp_path / 'a.png'
  images.save_png(path, np.zeros((4, 4, 1), np.uint8))
  before = path.read_bytes()

  def half_written(self, file, **_):
    file.write_bytes(b'half')
    raise OSError('disk full')

  monkeypatch.setattr(Image.Image, 'save', half_written)
  with pytest.raises(OSError, match='disk full'):
    images.save_png(path, np.ones((4, 4, 1), np.uint8))
  assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('suffix', ['.gif', '.webp'])
@pytest.mark.parametrize('channels', [1, 3])
def test_animation_reads_back(tmp_path, suffix, channels):
  frames = [np.full((8, 6, channels), level, np.uint8) for level in (0, 100, 200)]
  frames[1][..., 0] = 255
  path = tmp_path / f'a{suffix}'
  images.save_animation(path, frames, seconds=0.25, hold=1.0)
  durations = []
  with Image.open(path) as image:
    assert image.n_frames == 3 and image.info['loop'] == 0
    for index, frame in enumerate(frames):
      image.seek(index)
      pixels = np.asarray(image.convert('RGB'))
      np.testing.assert_array_equal(pixels, np.broadcast_to(frame, (8, 6, 3)))
      durations.append(image.info['duration'])
  assert durations == [250, 250, 1250]


def test_animation_refuses(tmp_path):
  frame = np.zeros((4, 4, 1), np.uint8)
  for path, frames, message in [
    ('a.mp4', [frame], r'\.gif, \.webp'),
    ('a.gif', [], 'not none'),
    ('a.gif', [frame, frame[:2]], 'one shape'),
  ]:
    with pytest.raises(ValueError, match=message):
      images.save_animation(tmp_path / path, frames)
  assert not list(tmp_path.iterdir())


def blended(count, side, seed=0):
  """Frames of noise that turns into other noise, as large colour pictures of a walk are."""
  ends = np.random.default_rng(seed).integers(0, 256, (2, side, side, 3))
  weights = np.linspace(0, 1, count)
  return [((1 - weight) * ends[0] + weight * ends[1]).astype(np.uint8) for weight in weights]


def test_enlarged_small_images_stay_crisp_and_large_ones_make_a_small_file(tmp_path):
  small = [images.grid(frame[None], scale=8) for frame in blended(6, 32)]
  images.save_animation(tmp_path / 'small.webp', small)
  with Image.open(tmp_path / 'small.webp') as animation:
    for index, frame in enumerate(small):
      animation.seek(index)
      np.testing.assert_array_equal(np.asarray(animation.convert('RGB')), frame)

  large = [np.asarray(Image.fromarray(frame).resize((530, 530))) for frame in blended(14, 132)]
  told = images.save_animation(tmp_path / 'large.webp', large)
  size = (tmp_path / 'large.webp').stat().st_size
  assert size < 1.2e6 and told == f'14 frames of 530 x 530 pixels, {size / 1e6:.1f} MB'
  with Image.open(tmp_path / 'large.webp') as animation:
    shown = np.asarray(animation.convert('RGB')).astype(int)
  assert np.abs(shown - large[0]).mean() < 12  # and it is the same picture


@pytest.mark.parametrize('channels', [1, 3])
def test_frames_may_be_files(tmp_path, channels):
  paths = [tmp_path / f'{level:03d}.png' for level in range(0, 200, 20)]
  for level, path in zip(range(0, 200, 20), paths, strict=True):
    images.save_png(path, np.full((40, 30, channels), level, np.uint8))
  told = images.save_animation(tmp_path / 'a.gif', paths)
  assert told.startswith('10 frames of 30 x 40 pixels')
  with Image.open(tmp_path / 'a.gif') as animation:
    for index, level in enumerate(range(0, 200, 20)):
      animation.seek(index)
      assert np.asarray(animation.convert('L')).tolist() == np.full((40, 30), level).tolist()


def test_frames_that_are_too_large_to_look_at_are_shrunk_and_that_is_said(tmp_path):
  frames = [np.full((1104, 2208, 1), level, np.uint8) for level in (0, 200)]
  assert images.save_animation(tmp_path / 'a.gif', frames).endswith('2 frames of 736 x 368 pixels, 0.0 MB, shrunk by 3')
  assert Image.open(tmp_path / 'a.gif').size == (736, 368)


def test_memory_does_not_grow_with_the_number_of_frames_in_files(tmp_path):
  paths = [tmp_path / f'{index}.png' for index in range(12)]
  for index, path in enumerate(paths):
    images.save_png(path, np.random.default_rng(index).integers(0, 256, (40, 40, 3), np.uint8))

  opened, alive = Image.open, []

  def counting(path, *arguments, **options):
    image = opened(path, *arguments, **options)
    finalizer = weakref.finalize(image, lambda: None)
    alive.append(finalizer)
    assert sum(one.alive for one in alive) <= 3, 'earlier frames are still held in full colour'
    return image

  with mock.patch.object(Image, 'open', counting):
    images.save_animation(tmp_path / 'a.gif', paths)
  assert len(alive) == 2 * 12  # their sizes, and their pixels
