"""Damage to image files is noticed, and what is broken beside the pixels does not matter."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from gengan.data.decoding import pictures, ranges, squares

RGB = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
PICTURE = Image.fromarray(RGB)
TURNED = Image.Exif()
TURNED[0x0112] = 6  # a quarter to the right
DEEP = ranges.Levels(ranges.WORDS)

pytestmark = pytest.mark.filterwarnings('ignore')  # Pillow's, of metadata


def encode(image, file_format='PNG', **options):
  buffer = io.BytesIO()
  image.save(buffer, file_format, **options)
  return buffer.getvalue()


def pixels(data):
  return np.asarray(squares.decode(data, DEEP).image)


def chunk(kind, body):
  return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def png_with(*chunks):
  data = encode(PICTURE)
  return data[:33] + b''.join(chunks) + data[33:]


def jpeg_with(marker, body, data=None):
  data = data or encode(PICTURE, 'JPEG')
  return data[:2] + bytes([0xFF, marker]) + struct.pack('>H', len(body) + 2) + body + data[2:]


def text(key, value):
  info = PngImagePlugin.PngInfo()
  info.add_text(key, value, zip=True)
  return encode(PICTURE, pnginfo=info)


@pytest.mark.parametrize(
  'data',
  [
    encode(PICTURE),
    encode(PICTURE, exif=TURNED),
    encode(PICTURE.quantize(16), transparency=3),
    encode(Image.fromarray(RGB[..., 0].astype(np.uint16) * 257)),
    encode(Image.linear_gradient('L').resize((30, 30))),
  ],
  ids=['colour', 'orientation', 'palette', '16 bits', 'smooth'],
)
def test_every_flipped_bit_of_a_png_is_noticed(data):
  expected = pixels(data)
  for position in range(8 * len(data)):
    damaged = bytearray(data)
    damaged[position // 8] ^= 1 << position % 8
    try:
      found = pixels(bytes(damaged))
    except ValueError:
      continue
    np.testing.assert_array_equal(found, expected)


def test_the_checksum_of_what_is_compressed_counts_too():
  data = encode(PICTURE)
  start = data.index(b'IDAT')
  body = bytearray(data[start + 4 : data.index(b'IEND') - 8])
  body[-1] ^= 1  # of Adler-32, under a CRC that fits
  with pytest.raises(ValueError, match='incorrect data check'):
    pixels(data[: start - 4] + chunk(b'IDAT', bytes(body)) + chunk(b'IEND', b''))
  with pytest.raises(ValueError, match=r'cut short|truncated'):
    pixels(data[: start - 4] + chunk(b'IDAT', bytes(body[:-4])) + chunk(b'IEND', b''))


def test_data_in_several_parts_and_too_much_of_it_are_read():
  stream = zlib.compress(b''.join(b'\0' + row.tobytes() for row in RGB) + bytes(1 << 24))
  parts = [chunk(b'IDAT', stream[start : start + 100]) for start in range(0, len(stream), 100)]
  data = encode(PICTURE)
  np.testing.assert_array_equal(pixels(data[:33] + b''.join(parts) + chunk(b'IEND', b'')), RGB)


@pytest.mark.parametrize(
  ('file_format', 'options'),
  [('JPEG', {}), ('JPEG', {'progressive': True}), ('GIF', {}), ('WEBP', {}), ('WEBP', {'lossless': True}), ('BMP', {})]
  + [('TIFF', {'compression': name}) for name in (None, 'tiff_lzw')],
)
def test_a_file_cut_short_anywhere_is_noticed_or_whole(file_format, options):
  data = encode(PICTURE, file_format, **options)
  expected = pixels(data)
  for length in range(len(data)):
    try:
      found = pixels(data[:length])
    except ValueError:
      continue
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
  'data',
  [
    text('parameters', 'word ' * 420_000),
    text('Raw profile type exif', '\nexif\n   12\nzz'),
    encode(PICTURE, icc_profile=bytes(2 << 20)),
    png_with(*(chunk(b'zTXt', b'a%d\0\0' % i + zlib.compress(bytes(1 << 20))) for i in range(70))),
    png_with(chunk(b'zTXt', b'a\0\0not compressed')),
    png_with(chunk(b'iTXt', b'\xff\xff\xff')),
    png_with(chunk(b'iCCP', b'x\0\0zz')),
    png_with(chunk(b'eXIf', b'II*')),
    png_with(chunk(b'pHYs', b'1'), chunk(b'cHRM', b'123'), chunk(b'sRGB', b''), chunk(b'gAMA', b'')),
    png_with(chunk(b'acTL', b'1234'), chunk(b'fcTL', b'1')),
  ],
)
def test_a_png_is_read_whatever_stands_beside_its_pixels(data):
  np.testing.assert_array_equal(pixels(data), RGB)


@pytest.mark.parametrize(
  ('marker', 'body'),
  [
    (0xE1, b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta \xa8 tiff:Orientation="'),
    (0xE1, b'Exif\0\0II*\0\xff\xff\xff\x7f'),
    (0xE1, b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0\0\0\0\0'),  # orientation 99
    (0xE1, b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x02A\0\0\0\0\0\0\0'),  # a text for an orientation
    (0xE2, b'ICC_PROFILE\0'),
    (0xE2, b'MPF\0junk'),
    (0xED, b'Photoshop 3.0\x008BIM\x03\0\0\0'),
  ],
)
def test_a_jpeg_is_read_whatever_stands_beside_its_pixels(marker, body):
  expected = np.asarray(Image.open(io.BytesIO(encode(PICTURE, 'JPEG'))))
  np.testing.assert_array_equal(pixels(jpeg_with(marker, body)), expected)
  turned = encode(PICTURE, 'JPEG', exif=TURNED)
  if b'Exif' not in body:
    np.testing.assert_array_equal(pixels(jpeg_with(marker, body, turned)), np.rot90(expected, -1))


@pytest.mark.parametrize('options', [{'exif': b'Exif\0\0junk'}, {'xmp': b'\xa8\xff'}, {'icc_profile': b'x'}])
def test_a_webp_is_read_whatever_stands_beside_its_pixels(options):
  np.testing.assert_array_equal(pixels(encode(PICTURE, 'WEBP', lossless=True, **options)), RGB)


def test_limits_of_size_hold_without_metadata(monkeypatch):
  monkeypatch.setattr(pictures, 'MAX_PIXELS', 71)
  for data in (encode(PICTURE), text('parameters', 'word ' * 420_000)):
    with pytest.raises(ValueError, match='9 x 8 pixels; the limit is 71'):
      pixels(data)


def test_pillow_adds_no_line_of_its_own_which_would_name_no_file(tmp_path):
  path = tmp_path / 'turned.jpg'
  path.write_bytes(encode(PICTURE, 'JPEG', exif=b'Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12'))
  with pytest.warns(UserWarning, match='Corrupt EXIF data'):  # of Pillow's, where nobody reads for us
    Image.open(path).getexif()
  program = f'from gengan.data.decoding import pictures; pictures.read(open({str(path)!r}, "rb").read())'
  done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
  assert (done.returncode, done.stderr) == (0, '')
