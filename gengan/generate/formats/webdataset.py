"""Tar shards as `webdataset` reads them: for every image key.png, key.cls and key.json, one after the other."""

import glob
import io
import json
import pathlib
import tarfile
from collections import Counter

from gengan.generate.formats import shards
from gengan.generate.formats.shards import About, Shard

finish = shards.stand_alone

_OF_ADDRESSES = {'?', '#', ';'}


def write_shard(root: pathlib.Path, about: About, shard: Shard) -> list[str]:
  """Writes one tar file with fixed times and owners."""
  place = _name(about, shard.number)
  with shards.placing(root, place) as beside, tarfile.open(beside, 'w', format=tarfile.USTAR_FORMAT) as archive:
    for row, content in enumerate(shards.pngs(about, shard)):
      key = f'{shard.indices[row]:08d}'
      _add(archive, f'{key}.png', content)
      if about.class_names:
        _add(archive, f'{key}.cls', str(shard.labels[row]).encode())
      known = shards.record(about, shard, row)
      _add(archive, f'{key}.json', json.dumps(known, sort_keys=True, ensure_ascii=False).encode())
  return [place]


def read_back(data: pathlib.Path, about: About) -> Counter:
  """Images by label, counted anew from the members of the tar files."""
  found = Counter()
  for number in range(about.num_shards):
    with tarfile.open(data / _name(about, number)) as archive:
      for member in archive:
        if about.class_names and member.name.endswith('.cls'):
          found[int(archive.extractfile(member).read())] += 1
        elif not about.class_names and member.name.endswith('.png'):
          found[0] += 1
  return found


def load_command(about: About, out: str) -> str:
  """Python that loads it."""
  fields = "'png', 'cls'" if about.class_names else "'png'"
  each, more = 'path', ''
  if set(out) & _OF_ADDRESSES or not out.isprintable():  # webdataset takes paths for addresses
    each, more = "'pipe:cat ' + shlex.quote(path)", ', shlex'
  return (
    f'import glob{more}\nimport webdataset\n'
    f'paths = [{each} for path in sorted(glob.glob({glob.escape(f"./{out}")!r} + "/*.tar"))]\n'
    f"images = webdataset.WebDataset(paths, shardshuffle=False).decode('rgb8').to_tuple({fields})"
  )


def _name(about: About, number: int) -> str:
  return shards.file_name('train', number, about.num_shards, '.tar')


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
  member = tarfile.TarInfo(name)
  member.size, member.mode = len(content), 0o644
  archive.addfile(member, io.BytesIO(content))
