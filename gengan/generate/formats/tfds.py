"""A prepared TensorFlow Datasets folder of array_record files, written without TensorFlow.

TFDS prepares images with TensorFlow alone, so the records are made here, with the protocol buffers that TFDS brings.
What describes them (dataset_info.json, features.json, the class names) is written by TFDS.
"""

import contextlib
import pathlib
from collections import Counter
from collections.abc import Iterator

import numpy as np

from gengan.generate.formats import shards
from gengan.generate.formats.shards import About, Shard

VERSION = '1.0.0'
SPLIT = 'train'


def write_shard(root: pathlib.Path, about: About, shard: Shard) -> list[str]:
  """Writes one array_record file of tf.train.Example records: image (PNG), label, index."""
  from array_record.python.array_record_module import ArrayRecordWriter
  from tensorflow_datasets.proto import tf_example_pb2

  place = f'{VERSION}/{_name(about, shard.number)}'
  with shards.placing(root, place) as beside, _refusing():
    writer = ArrayRecordWriter(str(beside), 'group_size:1')  # as TFDS has it: made for reading in any order
    for row, content in enumerate(shards.pngs(about, shard)):
      example = tf_example_pb2.Example()
      example.features.feature['image'].bytes_list.value.append(content)
      example.features.feature['index'].int64_list.value.append(int(shard.indices[row]))
      if about.class_names:
        example.features.feature['label'].int64_list.value.append(int(shard.labels[row]))
      writer.write(example.SerializeToString(deterministic=True))
    writer.close()
  return [place]


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
  """An OSError in place of the RuntimeError that ArrayRecord raises where the disk refuses."""
  try:
    yield
  except RuntimeError as error:
    raise OSError(str(error).partition('; ')[0]) from error


def finish(root: pathlib.Path, about: About, lengths: list[int]) -> list[str]:
  """Writes what TFDS reads first; `lengths` are the examples in each shard."""
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core import naming, splits
  from tensorflow_datasets.core.dataset_info import DatasetIdentity

  folder = root / 'tmp' / 'tfds'
  folder.mkdir(parents=True, exist_ok=True)
  features = {'image': tfds.features.Image(shape=about.image_shape), 'index': tfds.features.Scalar(np.int64)}
  if about.class_names:
    features['label'] = tfds.features.ClassLabel(names=list(about.class_names))
  identity = DatasetIdentity(name=about.name, version=tfds.core.Version(VERSION), data_dir=str(folder), module_name='')
  info = tfds.core.DatasetInfo(
    builder=identity,
    description=about.description,
    features=tfds.features.FeaturesDict(features),
    supervised_keys=('image', 'label') if about.class_names else None,
    license=about.licence,
  )
  info.set_file_format('array_record')
  template = naming.ShardedFileTemplate(
    data_dir=folder, dataset_name=about.name, split=SPLIT, filetype_suffix='array_record'
  )
  size = sum((root / 'data' / VERSION / _name(about, number)).stat().st_size for number in range(about.num_shards))
  split = splits.SplitInfo(name=SPLIT, shard_lengths=lengths, num_bytes=size, filename_template=template)
  info.set_splits(splits.SplitDict([split]))
  info.write_to_directory(folder)
  return [shards.place(root, f'{VERSION}/{path.name}', path.read_bytes()) for path in sorted(folder.iterdir())]


def read_back(data: pathlib.Path, about: About) -> Counter:
  """Images by label, read through TFDS and counted anew, for its own count is only what was claimed."""
  import tensorflow_datasets as tfds
  from array_record.python.array_record_module import ArrayRecordReader

  builder = tfds.builder_from_directory(data / VERSION)
  for number, length in enumerate(builder.info.splits[SPLIT].shard_lengths):
    reader = ArrayRecordReader(str(data / VERSION / _name(about, number)))
    if reader.num_records() != length:
      raise ValueError(f'{_name(about, number)} holds {reader.num_records()} records, not {length}')
    reader.close()
  source = builder.as_data_source(split=SPLIT, decoders={'image': tfds.decode.SkipDecoding()})
  found = Counter()
  for start in range(0, len(source), 4096):
    examples = source.__getitems__(list(range(start, min(start + 4096, len(source)))))
    found.update(int(example['label']) if about.class_names else 0 for example in examples)
  return found


def load_command(about: About, out: str) -> str:
  """Python that loads it."""
  return (
    'import tensorflow_datasets as tfds\n'
    f'images = tfds.builder_from_directory({f"{out}/{VERSION}"!r}).as_data_source(split={SPLIT!r})'
  )


def _name(about: About, number: int) -> str:
  return f'{about.name}-{SPLIT}.array_record-{number:05d}-of-{about.num_shards:05d}'
