"""Every kind of image against arithmetic by hand, and against Pillow where Pillow is the rule."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gengan.data.decoding import pictures, ranges, squares

RNG = np.random.default_rng(0)
RGBA = RNG.integers(0, 256, (6, 5, 4), dtype=np.uint8)
RGB = RGBA[..., :3]
GREY = RGBA[..., 0]


def encode(image, file_format='PNG', **options):
  buffer = io.BytesIO()
  image.save(buffer, file_format, **options)
  return buffer.getvalue()


def decoded(data, levels=ranges.AS_STORED):
  return np.asarray(squares.decode(data, levels).image)


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


def deep(low, high, **options):
  return ranges.Levels(ranges.Range(low, high), **options)


@pytest.mark.parametrize('top', [255, 4095, 65535])
def test_16_bit_grey_is_scaled_by_the_range_of_its_set(top):
  values = RNG.integers(0, top + 1, (6, 5)).astype(np.uint16)
  expected = np.round(values / top * 255)
  pillow = Image.fromarray(values)
  files = [encode(pillow, 'TIFF', compression=name) for name in (None, 'tiff_lzw')]
  for file in (png_16_bit(values, 0), encode(pillow), *files):
    np.testing.assert_array_equal(decoded(file, deep(0, top)), expected)


@pytest.mark.parametrize('colour_type', [2, 4, 6])
def test_16_bit_colours_keep_all_their_bits(colour_type):
  channels = {2: 3, 4: 2, 6: 4}[colour_type]
  values = RNG.integers(0, 4096, (6, 5, channels)).astype(np.uint16)
  file = png_16_bit(values, colour_type)
  np.testing.assert_array_equal(pictures.read(file).values, values)
  if colour_type == 2:
    np.testing.assert_array_equal(decoded(file, deep(0, 4095)), np.round(values / 4095 * 255))
  else:  # alpha has the full range, whatever the colours have
    colours = np.round(values[..., :-1] / 4095 * 255).repeat(1 if channels == 4 else 3, axis=2)
    alpha = np.round(values[..., -1] / 257)
    assert np.abs(decoded(file, deep(0, 4095)) - on_white(colours, alpha)).max() <= 1


@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('compression', [1, 8])
def test_16_bit_colours_of_tiff_keep_all_their_bits(order, compression):
  values = RNG.integers(0, 65536, (3, 4, 3)).astype(np.uint16)
  np.testing.assert_array_equal(pictures.read(tiff_rgb(values, order, compression)).values, values)


def tiff_rgb(values, order, compression, planes=1):
  """A TIFF of 16-bit colours in one strip, written by hand: Pillow cannot."""
  data = values.astype(f'{order}u2').tobytes()
  data = zlib.compress(data) if compression == 8 else data
  height, width = values.shape[:2]
  start = 8 + 2 + 10 * 12 + 4
  entries = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, start), (259, 3, 1, compression), (262, 3, 1, 2)]
  entries += [(273, 4, 1, start + 6), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, len(data)), (284, 3, 1, planes)]
  pack = lambda form, *numbers: struct.pack(order + form, *numbers)
  fields = b''.join(
    pack('HHI', tag, kind, count) + (pack('HH', value, 0) if (kind, count) == (3, 1) else pack('I', value))
    for tag, kind, count, value in entries
  )
  head = (b'II' if order == '<' else b'MM') + pack('HI', 42, 8) + pack('H', 10)
  return head + fields + pack('I', 0) + pack('HHH', 16, 16, 16) + data


def test_tiff_files_that_pillow_reads_as_other_pixels_are_refused():
  with pytest.raises(ValueError, match='planes of more than 8 bits are not read'):
    decoded(tiff_rgb(RNG.integers(0, 65536, (3, 4, 3)).astype(np.uint16), '<', 1, planes=2), deep(0, 65535))
  with pytest.raises(ValueError, match='bytes are signed'):
    decoded(encode(Image.fromarray(np.array([[0, 100, 200]], np.uint8)), 'TIFF', tiffinfo={339: 2}))


def test_white_may_be_the_lowest_value_of_a_tiff():
  file = encode(Image.fromarray(np.array([[0, 1000, 4095]], np.uint16)), 'TIFF', tiffinfo={262: 0})
  np.testing.assert_array_equal(decoded(file, deep(0, 4095)), [[255, 255 - 62, 0]])


def test_a_transparent_16_bit_value_is_white():
  values = np.array([[7, 8], [9, 4095]], np.uint16)
  np.testing.assert_array_equal(decoded(with_trns(png_16_bit(values, 0), 8), deep(0, 4095)), [[0, 255], [1, 255]])
  colours = np.array([[[7, 8, 9], [7, 8, 10]]], np.uint16)
  np.testing.assert_array_equal(
    decoded(with_trns(png_16_bit(colours, 2), 7, 8, 9), deep(0, 255)), [[[255, 255, 255], [7, 8, 10]]]
  )


def with_trns(png, *values):
  content = b'tRNS' + struct.pack(f'>{len(values)}H', *values)
  chunk = struct.pack('>I', 2 * len(values)) + content + struct.pack('>I', zlib.crc32(content))
  return png[:33] + chunk + png[33:]


def test_other_whole_numbers_and_floats_go_by_the_range():
  for values in (np.array([[-1024, 0, 3071]], np.int32), np.array([[-1024, 0, 3071]], np.float32)):
    file = encode(Image.fromarray(values), 'TIFF')
    np.testing.assert_array_equal(decoded(file, deep(-1024, 3071)), np.round((values + 1024) / 4095 * 255))
    np.testing.assert_array_equal(decoded(file, deep(0, 1000, clip=True)), [[0, 0, 255]])
    with pytest.raises(ValueError, match=r'from -1024 to 3071, beyond 0,4095, .* set config\.data\.range'):
      squares.decode(file, deep(0, 4095))
    with pytest.raises(ValueError, match=r'from -1024 to 3071, of which config\.data\.range must say'):
      squares.decode(file)
  with pytest.raises(ValueError, match='NaN or infinity'):
    squares.decode(encode(Image.fromarray(np.full((2, 2), np.nan, np.float32)), 'TIFF'), deep(0, 1))


def test_a_pgm_says_itself_what_is_white():
  values = np.array([[0, 1000, 4095]])
  file = b'P5 3 1 4095\n' + values.astype('>u2').tobytes()
  np.testing.assert_array_equal(decoded(file), np.round(values / 4095 * 255))


def test_8_bit_pictures_go_by_a_range_that_is_asked_for():
  shallow = ranges.Levels(shallow=ranges.Range(0, 15))
  np.testing.assert_array_equal(decoded(encode(Image.fromarray(GREY % 16)), shallow), np.round(GREY % 16 / 15 * 255))


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
      squares.decode(data[:length])


def test_empty_and_foreign_files_are_refused():
  with pytest.raises(ValueError, match='empty'):
    squares.decode(b'')
  with pytest.raises(ValueError, match='not an image in one of the formats'):
    squares.decode(b'<svg xmlns="http://www.w3.org/2000/svg"/>')


def test_formats_that_run_programs_are_refused():
  with pytest.raises(ValueError, match='not an image in one of the formats'):
    squares.decode(encode(Image.fromarray(RGB), 'EPS'))


def test_too_many_pixels_are_refused_before_decoding(monkeypatch):
  monkeypatch.setattr(pictures, 'MAX_PIXELS', 29)
  with pytest.raises(ValueError, match='5 x 6 pixels; the limit is 29'):
    squares.decode(encode(Image.fromarray(RGB)))


def prepared(data, size, channels, crop=True):
  return squares.preprocess(data, image_size=size, channels=channels, crop=crop)


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
  squares.in_threads(done.append, count)
  assert sorted(done) == list(range(count))
  if count:
    with pytest.raises(ZeroDivisionError):
      squares.in_threads(lambda i: 1 / (count - 1 - i), count)
