"""Zips: what their names mean, what is refused, and that damage ends in one line."""

import contextlib
import io
import random
import stat
import struct
import tracemalloc
import zipfile

import pytest

from gengan.config import defaults
from gengan.data import load
from gengan.data.sources import files, open_source, zips


def save(tmp_path, entries, name='set.zip', **options):
  """A zip with entries {name as it stands: content}, without what `zipfile` would change in a name."""
  with zipfile.ZipFile(tmp_path / name, 'w', **options) as archive:
    for entry, content in entries.items():
      info = zipfile.ZipInfo('x')
      info.filename = entry
      info.compress_type = archive.compression
      archive.writestr(info, content)
  return f'zip:{tmp_path / name}'


def refused(spec):
  """The line in which opening a set ends."""
  with pytest.raises(ValueError) as caught:
    open_source(spec)
  assert str(caught.value).startswith(spec) and '\n' not in str(caught.value)
  return str(caught.value)


OUTSIDE = [
  *('../x.png', '/etc/x.png', 'a/../../x.png', 'a\\..\\x.png', 'C:/x.png', 'c:x.png', '\\\\server\\x.png'),
  *('..', '../notes.txt', '.../../x.png'),
]


@pytest.mark.parametrize('name', OUTSIDE)
def test_names_that_lead_outside_are_refused(tmp_path, picture, name):
  assert 'leads outside of the zip' in refused(save(tmp_path, {name: picture(), 'ok.png': picture()}))


@pytest.mark.parametrize(
  ('names', 'classes'),
  [
    (['set\\ant\\1.png', 'set\\bee\\2.png'], ('ant', 'bee')),
    (['scan 12:30/ant/1.png', 'scan 12:30/bee/2.png'], ('ant', 'bee')),
    (['12:30/1.png', 'no:on/2.png'], ('12:30', 'no:on')),
    (['./ant/1.png', './/bee/./2.png'], ('ant', 'bee')),
    (['a..b/1.png', 'c../2.png'], ('a..b', 'c..')),
    (['Καφές/1.png', '茶/2.png'], ('Καφές', '茶')),
  ],
)
def test_names_become_folders(tmp_path, picture, names, classes):
  spec = save(tmp_path, {name: picture(i) for i, name in enumerate(names)})
  source = open_source(spec)
  assert source.class_names == classes
  assert [source.splits['train'].read(i) for i in range(2)] == [picture(0), picture(1)]
  told = [note for note in source.notes if note.startswith('backslashes in names are read as folders')]
  assert len(told) == ('\\' in names[0])


@pytest.mark.parametrize(
  ('encoded', 'shown', 'assumed'),
  [
    ('café'.encode(), 'café', False),
    ('cafe\u0301'.encode(), 'café', False),
    ('☕'.encode(), '☕', False),
    ('café'.encode('cp437'), 'café', True),
    (b'\xff\xfe', b'\xff\xfe'.decode('cp437'), True),
  ],
)
def test_names_without_the_mark_of_utf_8(tmp_path, picture, encoded, shown, assumed):
  """As macOS writes them; and by the standard's own rule, code page 437, where they are not UTF-8."""
  stand_in = '~' * len(encoded)
  spec = save(tmp_path, {f'{stand_in}/1.png': picture(1), 'tea/2.png': picture(2)})
  path = tmp_path / 'set.zip'
  path.write_bytes(path.read_bytes().replace(stand_in.encode(), encoded))
  source = open_source(spec)
  assert set(source.class_names) == {shown, 'tea'}
  assert bool(source.notes) == assumed and all('are read as code page 437' in note for note in source.notes)
  records = source.splits['train']
  assert {records.read(i) for i in range(2)} == {picture(1), picture(2)}


@pytest.mark.parametrize('place', [0, 1, 2])
def test_a_name_that_is_marked_as_utf_8_and_is_not_is_refused_by_name(tmp_path, picture, place):
  names = ['Ünu/1.png', 'dos/2.png', 'trois/3.png']
  names[place] = 'café/x.png'
  spec = save(tmp_path, {name: picture(i) for i, name in enumerate(names)})
  path = tmp_path / 'set.zip'
  data = path.read_bytes()
  assert 'café/x.png'.encode() in data
  path.write_bytes(data.replace('café'.encode(), b'caf\xe9~'))
  told = r"the name 'caf\xe9~/x.png' is marked as UTF-8, which it is not; make the zip anew"
  assert refused(spec) == f'{spec}: {told}'
  at = data.index('café'.encode())  # of the entry itself alone, not of the list at the end
  path.write_bytes(data[:at] + b'caf\xe9~' + data[at + 5 :])
  with pytest.raises(ValueError, match=r'café/x\.png cannot be read: .*utf-8'):
    load(defaults.data(source=spec))


def test_links_are_refused_and_so_are_names_that_occur_twice(tmp_path, picture):
  path = tmp_path / 'set.zip'
  for name in ('link.png', 'test'):
    link = zipfile.ZipInfo(name)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, 'w') as archive:
      archive.writestr(link, '/etc/passwd')
      archive.writestr('1.png', picture())
    assert f"'{name}' is a link; put the file itself into the zip" in refused(f'zip:{path}')
  for first, second in (('1.png', './1.png'), ('a/1.png', 'a\\1.png')):
    assert 'occurs twice' in refused(save(tmp_path, {first: picture(), second: picture(1)}))


def test_encrypted_zips_are_named(tmp_path, picture):
  spec = save(tmp_path, {'1.png': picture()})
  data = bytearray((tmp_path / 'set.zip').read_bytes())
  data[data.index(b'PK\3\4') + 6] |= 1
  data[data.index(b'PK\1\2') + 8] |= 1
  (tmp_path / 'set.zip').write_bytes(data)
  assert refused(spec).endswith("'1.png' is encrypted; make the zip anew without a password")


@pytest.mark.parametrize(('method', 'name'), [(9, 'deflate64'), (93, 'zstandard'), (95, 'xz'), (77, 'unknown')])
def test_methods_that_are_not_known_are_named(tmp_path, picture, method, name):
  spec = save(tmp_path, {'1.png': picture()})
  data = bytearray((tmp_path / 'set.zip').read_bytes())
  for start, offset in ((b'PK\3\4', 8), (b'PK\1\2', 10)):
    at = data.index(start) + offset
    data[at : at + 2] = struct.pack('<H', method)
  (tmp_path / 'set.zip').write_bytes(data)
  assert f"'1.png' is packed by method {method} (" in refused(spec)


@pytest.mark.parametrize('method', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_are_known_are_read(tmp_path, picture, method):
  content = {f'{i}.bmp': picture(i, 'BMP') * 20 for i in range(3)}
  records = open_source(save(tmp_path, content, compression=method)).splits['train']
  assert [records.read(i) for i in range(3)] == [*content.values()]


def test_sizes_are_checked_before_anything_is_unpacked(tmp_path, monkeypatch):
  spec = save(tmp_path, {f'{i}.png': bytes(10_000) for i in range(3)}, compression=zipfile.ZIP_DEFLATED)
  monkeypatch.setattr(files, 'MAX_ZIP_BYTES', 29_999)
  assert 'unpacks to 30,000 bytes; the limit is 29,999' in refused(spec)
  monkeypatch.setattr(zips, 'MAX_FILE_BYTES', 9_999)
  assert "'0.png' unpacks to 10,000 bytes" in refused(spec)


@pytest.mark.parametrize('offset', [2**31, 100_000])
def test_an_entry_that_lies_outside_of_the_file_is_refused(tmp_path, picture, offset):
  spec = save(tmp_path, {'1.png': picture(1), '2.png': picture(2)})
  data = bytearray((tmp_path / 'set.zip').read_bytes())
  struct.pack_into('<I', data, data.rindex(b'PK\x01\x02') + 42, offset)
  (tmp_path / 'set.zip').write_bytes(data)
  assert f"'2.png' is damaged: it cannot lie at byte {offset:,} of {len(data):,}" in refused(spec)


@pytest.mark.parametrize('name', ['1.png', 'labels.csv'])
def test_an_entry_that_cannot_hold_what_it_claims_is_refused(tmp_path, picture, name):
  spec = save(tmp_path, {name: bytes(100_000), '2.png': picture()}, compression=zipfile.ZIP_DEFLATED)
  path = tmp_path / 'set.zip'
  path.write_bytes(path.read_bytes().replace(struct.pack('<I', 100_000), struct.pack('<I', 200 << 20)))
  assert f"'{name}' is damaged: it cannot hold 209,715,200 bytes, packed to " in refused(spec)


@pytest.mark.parametrize(
  ('method', 'megabytes'), [(zipfile.ZIP_DEFLATED, 20), (zipfile.ZIP_BZIP2, 100), (zipfile.ZIP_LZMA, 20)]
)
def test_an_entry_gives_no_more_than_it_claims(tmp_path, method, megabytes):
  """Of bzip2 and LZMA `zipfile` itself unpacks all that it has read: here 100 MB from 200 bytes that claim to be 50."""
  with zipfile.ZipFile(tmp_path / 'set.zip', 'w', method) as archive, archive.open('1.png', 'w') as file:
    for _ in range(megabytes):
      file.write(bytes(1_000_000))
  data = (tmp_path / 'set.zip').read_bytes()
  (tmp_path / 'set.zip').write_bytes(data.replace(struct.pack('<I', megabytes * 1_000_000), struct.pack('<I', 50)))
  records = open_source(f'zip:{tmp_path / "set.zip"}').splits['train']
  tracemalloc.start()
  with pytest.raises(ValueError, match='CRC'):
    records.read(0)
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert peak < 95_000_000


def test_damaged_zips(tmp_path, picture):
  spec = save(tmp_path, {'1.png': picture(), '2.png': picture(1)}, compression=zipfile.ZIP_DEFLATED)
  data = bytearray((tmp_path / 'set.zip').read_bytes())
  data[45] ^= 0xFF
  (tmp_path / 'set.zip').write_bytes(data)
  with pytest.raises(ValueError):
    open_source(spec).splits['train'].read(0)
  (tmp_path / 'set.zip').write_bytes(data[:60])
  assert 'damaged or not a zip file' in refused(spec)
  assert 'more than 100 folders' in refused(save(tmp_path, {'a/' * 101 + '1.png': picture()}))


def whole_zip(picture):
  """A zip with all that the reader looks at: splits, classes, tables, hidden files and all methods."""
  buffer = io.BytesIO()
  methods = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA
  with zipfile.ZipFile(buffer, 'w') as archive:
    for i, method in enumerate(methods):
      for name in (f'train/ant/{i}.png', f'train/bee/{i}', f'test/café/{i}.jpg'):
        archive.writestr(name, picture(i), method)
    archive.writestr('train/metadata.csv', 'file_name,caption\nant/0.png,red\n')
    archive.writestr('.git/1.png', b'')
  return buffer.getvalue()


def mutated(data, generator):
  """A copy with one of the faults of files: bits turned, bytes overwritten, cut, doubled or moved."""
  data = bytearray(data)
  for _ in range(generator.choice((1, 1, 2, 5))):
    at, other = generator.randrange(len(data)), generator.randrange(len(data))
    kind = generator.randrange(6)
    if kind == 0:
      data[at] ^= 1 << generator.randrange(8)
    elif kind == 1:
      data[at : at + 4] = generator.choice((b'\0\0\0\0', b'\xff\xff\xff\xff', b'\0\0\0\x7f', generator.randbytes(4)))
    elif kind == 2:
      data = data[: max(at, 1)]
    elif kind == 3:
      data[at:at] = data[other : other + generator.randrange(1, 64)]
    elif kind == 4:
      del data[at : at + generator.randrange(1, 64)]
    else:
      data[at : at + 16] = data[other : other + 16]
    data = data or bytearray(b'P')
  return bytes(data)


def outcome(path, data):
  """'read' or 'refused' for a zip with that content; every image is read."""
  path.write_bytes(data)
  try:
    source = open_source(f'zip:{path}')
  except (ValueError, OSError) as error:
    assert '\n' not in str(error)
    return 'refused'
  for records in source.splits.values():
    for i in range(len(records)):
      with contextlib.suppress(ValueError, OSError):
        records.read(i)
  return 'read'


def test_damage_of_any_kind_ends_in_an_error_or_is_read(tmp_path, picture):
  data, generator = whole_zip(picture), random.Random(0)
  assert outcome(tmp_path / 'set.zip', data) == 'read'
  found = [outcome(tmp_path / 'set.zip', mutated(data, generator)) for _ in range(400)]
  assert 50 < found.count('read') < 350
