"""NumPy archives: `images` uint8 [N, H, W, C], `index` int64 [N]; with classes `labels` int32 [N] and `class_names`."""

import io
import pathlib
import zipfile
from collections import Counter

import numpy as np

from gengan.generate.formats import shards
from gengan.generate.formats.shards import About, Shard

finish = shards.stand_alone

_TIME = (1980, 1, 1, 0, 0, 0)  # of every member: an archive has to say one


def write_shard(root: pathlib.Path, about: About, shard: Shard) -> list[str]:
  """Writes one archive; not compressed, so that it can be mapped into memory and is quick to read."""
  arrays = {'images': shard.images, 'index': shard.indices}
  if about.class_names:
    arrays |= {'labels': shard.labels, 'class_names': np.array(about.class_names)}
  arrays['provenance'] = np.array(shards.to_json(dict(about.provenance)))
  place = shards.file_name('images', shard.number, about.num_shards, '.npz')
  with shards.placing(root, place) as beside, zipfile.ZipFile(beside, 'w', zipfile.ZIP_STORED) as archive:
    for name, array in arrays.items():
      member = io.BytesIO()
      np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
      archive.writestr(zipfile.ZipInfo(f'{name}.npy', _TIME), member.getbuffer())
  return [place]


def read_back(data: pathlib.Path, about: About) -> Counter:
  """Images by label, counted anew from the files."""
  found = Counter()
  for number in range(about.num_shards):
    with np.load(data / shards.file_name('images', number, about.num_shards, '.npz'), allow_pickle=False) as content:
      count = len(content['images'])
      found.update(content['labels'].tolist() if about.class_names else [0] * count)
  return found


def load_command(about: About, out: str) -> str:
  """Python that loads it, all shards."""
  names = ('images', 'labels') if about.class_names else ('images',)
  paths = f"sorted(pathlib.Path({out!r}).glob('*.npz'))"
  head = f'import pathlib\nimport numpy as np\nparts = [np.load(path) for path in {paths}]'
  values = ', '.join(f"np.concatenate([part['{name}'] for part in parts])" for name in names)
  return f'{head}\n{", ".join(names)} = {values}'
