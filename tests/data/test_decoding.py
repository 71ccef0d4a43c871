"""Every kind of image against arithmetic by hand, and against Pillow where Pillow is the rule."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gengan.data import decoding

RNG = np.random.default_rng(0)
RGBA = RNG.integers(0, 256, (6, 5, 4), dtype=np.uint8)
RGB = RGBA[..., :3]
GREY = RGBA[..., 0]


def encode(image, file_format='PNG', **options):
  buffer = io.BytesIO()
  image.save(buffer, file_format, **options)
  return buffer.getvalue()


def decoded(data):
  return np.asarray(decoding.decode(data).image)


def on_white(colour, alpha):
  """Independent of the code: the formula in floating point."""
  colour, alpha = colour.astype(float), alpha.astype(float) / 255
  if colour.ndim == 3:
    alpha = alpha[..., None]
  return np.round(colour * alpha + 255 * (1 - alpha))


def png_16_bit(values, colour_type):
  """A PNG with 16 bits a channel, written by hand: Pillow cannot write all of them."""
  chunk = lambda kind, data: struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
  height, width = values.shape[:2]
  rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in values)
  header = struct.pack('>IIBBBBB', width, height, 16, colour_type, 0, 0, 0)
  return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')


@pytest.mark.parametrize('file_format', ['PNG', 'BMP', 'TIFF', 'PPM'])
def test_lossless_formats_are_exact(file_format):
  np.testing.assert_array_equal(decoded(encode(Image.fromarray(GREY), file_format)), GREY)
  np.testing.assert_array_equal(decoded(encode(Image.fromarray(RGB), file_format)), RGB)


def test_lossy_formats_give_what_pillow_gives():
  data = encode(Image.fromarray(RGB), 'JPEG')
  np.testing.assert_array_equal(decoded(data), np.asarray(Image.open(io.BytesIO(data))))


def test_alpha_is_composited_on_white():
  np.testing.assert_array_equal(decoded(encode(Image.fromarray(RGBA))), on_white(RGB, RGBA[..., 3]))
  np.testing.assert_array_equal(decoded(RGBA), on_white(RGB, RGBA[..., 3]))
  grey_alpha = Image.merge('LA', [Image.fromarray(GREY), Image.fromarray(RGBA[..., 3])])
  np.testing.assert_array_equal(decoded(encode(grey_alpha)), on_white(GREY, RGBA[..., 3]))


def test_transparent_colour_is_white():
  image = Image.fromarray(np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8))
  np.testing.assert_array_equal(decoded(encode(image, transparency=(10, 20, 30))), [[[255, 255, 255], [40, 50, 60]]])
  grey = Image.fromarray(np.array([[10, 20]], np.uint8))
  np.testing.assert_array_equal(decoded(encode(grey, transparency=10)), [[255, 20]])


def test_palette_is_expanded():
  image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8)).convert('P')
  image.putdata([0, 1, 2, 1])
  image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
  expected = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 255, 0]]])
  np.testing.assert_array_equal(decoded(encode(image)), expected)
  expected[0, 1] = expected[1, 1] = 255
  np.testing.assert_array_equal(decoded(encode(image, transparency=1)), expected)


def test_16_bit_grey_is_scaled_by_its_full_range():
  values = np.array([[0, 128, 129, 256], [32768, 40000, 65278, 65535]], np.uint16)
  expected = np.round(values / 65535 * 255)
  np.testing.assert_array_equal(decoded(png_16_bit(values, 0)), expected)
  np.testing.assert_array_equal(decoded(encode(Image.fromarray(values), 'TIFF')), expected)


def test_16_bit_colour_is_within_one_grey_level():
  values = RNG.integers(0, 65536, (6, 5, 3))
  assert np.abs(decoded(png_16_bit(values, 2)) - values / 65535 * 255).max() < 1


def test_32_bit_integers_must_be_16_bit_values():
  fits = np.array([[0, 65535]], np.int32)
  np.testing.assert_array_equal(decoded(encode(Image.fromarray(fits), 'TIFF')), [[0, 255]])
  with pytest.raises(ValueError, match=r'must lie in 0\.\.65535'):
    decoding.decode(encode(Image.fromarray(fits * 2), 'TIFF'))


def test_floating_point_images_are_refused():
  with pytest.raises(ValueError, match='mode F has no fixed range'):
    decoding.decode(encode(Image.fromarray(np.zeros((2, 2), np.float32)), 'TIFF'))


def test_one_bit_images_are_black_and_white():
  np.testing.assert_array_equal(decoded(encode(Image.fromarray(np.array([[True, False]])))), [[255, 0]])


def test_cmyk_becomes_rgb():
  ink = np.zeros((8, 8, 4), np.uint8)
  ink[..., 0] = 255  # all cyan
  np.testing.assert_array_equal(decoded(encode(Image.fromarray(ink, 'CMYK'), 'TIFF'))[0, 0], [0, 255, 255])


@pytest.mark.parametrize(
  ('orientation', 'turn'), [(1, lambda x: x), (3, lambda x: x[::-1, ::-1]), (6, lambda x: np.rot90(x, -1))]
)
def test_exif_orientation_is_applied(orientation, turn):
  exif = Image.Exif()
  exif[0x0112] = orientation
  np.testing.assert_array_equal(decoded(encode(Image.fromarray(RGB), exif=exif)), turn(RGB))


def test_first_frame_of_an_animation():
  frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (50, 200)]
  data = encode(frames[0], 'GIF', save_all=True, append_images=frames[1:])
  assert (decoded(data) == 50).all()


@pytest.mark.filterwarnings('ignore:Corrupt EXIF data')
@pytest.mark.parametrize('file_format', ['PNG', 'JPEG', 'TIFF', 'WEBP', 'GIF', 'BMP'])
def test_truncated_files_are_refused(file_format):
  noise = Image.fromarray(RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8))
  data = encode(noise, file_format)
  for length in (len(data) // 2, 20, 3):
    with pytest.raises(ValueError):
      decoding.decode(data[:length])


def test_empty_and_foreign_files_are_refused():
  with pytest.raises(ValueError, match='empty'):
    decoding.decode(b'')
  with pytest.raises(ValueError, match='not an image in one of the formats'):
    decoding.decode(b'<svg xmlns="http://www.w3.org/2000/svg"/>')


def test_formats_that_run_programs_are_refused():
  with pytest.raises(ValueError, match='not an image in one of the formats'):
    decoding.decode(encode(Image.fromarray(RGB), 'EPS'))


def test_too_many_pixels_are_refused_before_decoding(monkeypatch):
  monkeypatch.setattr(decoding, 'MAX_PIXELS', 29)
  with pytest.raises(ValueError, match='5 x 6 pixels; the limit is 29'):
    decoding.decode(encode(Image.fromarray(RGB)))


def prepared(data, size, channels, crop=True):
  return decoding.preprocess(data, image_size=size, channels=channels, crop=crop)


def test_same_size_is_left_alone():
  square = RGB[:5, :5]
  np.testing.assert_array_equal(prepared(square, 5, 3), square)
  np.testing.assert_array_equal(prepared(square[..., :1], 5, 1), square[..., :1])


def test_grey_is_repeated_and_colour_becomes_luma():
  square = RGB[:5, :5]
  np.testing.assert_array_equal(prepared(GREY[:5, :5], 5, 3), np.repeat(GREY[:5, :5, None], 3, axis=-1))
  luma = square @ np.array([0.299, 0.587, 0.114])  # ITU-R 601
  assert np.abs(prepared(square, 5, 1)[..., 0] - luma).max() <= 1


def test_centre_is_cropped_both_ways():
  wide = RNG.integers(0, 256, (4, 9), dtype=np.uint8)
  np.testing.assert_array_equal(prepared(wide, 4, 1)[..., 0], wide[:, 2:6])
  np.testing.assert_array_equal(prepared(np.ascontiguousarray(wide.T), 4, 1)[..., 0], wide.T[2:6])


def test_without_crop_the_whole_picture_is_stretched():
  wide = np.zeros((8, 32), np.uint8)
  wide[:, 16:] = 255  # the right half is white, and stays half of the width
  stretched = prepared(wide, 8, 1, crop=False)[..., 0]
  assert (stretched[:, :3] == 0).all()
  assert (stretched[:, -3:] == 255).all()


def test_shrinking_is_antialiased():
  stripes = np.zeros((64, 64), np.uint8)
  stripes[:, ::2] = 255
  assert np.abs(prepared(stripes, 16, 1)[:, 2:-2].astype(int) - 127.5).max() < 2  # picking pixels gives 0 or 255


def test_enlarging_is_smooth():
  edge = np.zeros((8, 8), np.uint8)
  edge[:, 4:] = 255
  row = prepared(edge, 16, 1)[8, :, 0].astype(int)
  assert len(np.unique(row)) > 3  # repeating pixels gives two values
  assert np.abs(np.diff(row)).max() < 200


@pytest.mark.parametrize('count', [0, 1, 64, 65, 1000])
def test_threads_do_everything_once_and_raise_what_is_raised(count):
  done = []
  decoding.in_threads(done.append, count)
  assert sorted(done) == list(range(count))
  if count:
    with pytest.raises(ZeroDivisionError):
      decoding.in_threads(lambda i: 1 / (count - 1 - i), count)
