"""Prepared TensorFlow Datasets, read without TensorFlow."""

import hashlib
import pathlib
import shlex

import numpy as np

from gengan.data.sources import SPLITS, Records, Source

KEPT_BYTES = 2 << 30  # encoded images of a split up to this size are read once, in one sweep
_CHUNK = 4096  # records a read; one by one is four times slower


def open_tfds(name: str, *, data_dir: str = '') -> Source:
  """A set by its TFDS name ('mnist', 'cifar10:3.0.2'), or the folder of a prepared version.

  Reads array_record files with `tfds.data_source`; the feature `image` is needed, an integer `label` is used where it
  is there.

  Args:
    name: as in `tfds.builder`, or a path that holds a dataset_info.json.
    data_dir: where TFDS keeps its sets; '' is its default.

  Raises:
    FileNotFoundError: not prepared; the line says how to prepare it.
    ValueError: TFDS knows no such set, or the set is in another file format, has no images, or is incomplete.
  """
  import tensorflow_datasets as tfds

  spec = f'tfds:{name}'
  builder = _builder(tfds, name, data_dir, spec)
  info = builder.info
  if 'image' not in info.features or not isinstance(info.features['image'], tfds.features.Image):
    raise ValueError(f'{spec} has no feature "image"; it has {", ".join(info.features)}')
  labelled = 'label' in info.features and isinstance(info.features['label'], tfds.features.ClassLabel)
  if 'train' not in info.splits:
    raise ValueError(f'{spec} has no split "train"; it has {", ".join(info.splits)}')
  splits, identity = {}, [info.full_name]
  for split in (name for name in SPLITS if name in info.splits):
    source = builder.as_data_source(split=split, decoders={'image': tfds.decode.SkipDecoding()})
    _check_files(info.splits[split], f'{spec}: {split}')
    splits[split] = _records(split, source, labelled=labelled, keep=info.splits[split].num_bytes <= KEPT_BYTES)
    identity.append(f'{split} {info.splits[split].num_bytes} {info.splits[split].shard_lengths}')
  return Source(
    spec=spec,
    splits=splits,
    class_names=tuple(info.features['label'].names) if labelled else (),
    sha256=hashlib.sha256('\n'.join(identity).encode()).hexdigest(),
  )


def prepare_command(name: str, data_dir: str) -> str:
  """The shell line, for a clone of this repository, that prepares a set in the file format that is needed here."""
  flags = ' '.join(
    shlex.quote(f'--{flag}={text}') for flag, text in {'name': name, 'data_dir': data_dir}.items() if text
  )
  return f"pip install '.[tensorflow]' && python -m gengan.data.prepare {flags}"


def named_builder(name: str, data_dir: str):
  """The TFDS builder of a set, prepared or not, in the file format that is needed here.

  Raises:
    ValueError: there is no set of this name; one line.
  """
  import tensorflow_datasets as tfds

  try:
    return tfds.builder(name, data_dir=data_dir or None, file_format='array_record')
  except tfds.core.DatasetNotFoundError as error:
    raise ValueError(f'tfds:{name}: TFDS {tfds.__version__} has no set of this name') from error
  except (ValueError, AssertionError) as error:
    raise ValueError(f'tfds:{name}: {str(error).strip().splitlines()[0]}') from error


def _builder(tfds, name: str, data_dir: str, spec: str):
  if pathlib.Path(name, 'dataset_info.json').is_file():
    builder = tfds.builder_from_directory(name)
  elif name.startswith(('/', '.', '~')):
    raise FileNotFoundError(f'{spec}: that folder holds no dataset_info.json; give the folder of a prepared version')
  else:
    builder = named_builder(name, data_dir)
    if not pathlib.Path(builder.data_path, 'dataset_info.json').is_file():
      command = prepare_command(name, data_dir)
      raise FileNotFoundError(f'{spec} is not prepared in {builder.data_path}; prepare it with: {command}')
  found = builder.info.file_format.value
  if found != 'array_record':
    raise ValueError(f'{spec} was prepared as {found}; array_record is needed: {prepare_command(name, data_dir)}')
  return builder


def _check_files(split, place: str) -> None:
  """Compares the records in every file with the number that was written: TFDS itself trusts the number."""
  from array_record.python.array_record_module import ArrayRecordReader

  for path, expected in zip(split.filepaths, split.shard_lengths, strict=True):
    if not path.is_file():
      raise FileNotFoundError(f'{place}: {path} is missing; prepare the set again')
    try:
      reader = ArrayRecordReader(str(path))
      found = reader.num_records()
      reader.close()
    except (RuntimeError, ValueError) as error:
      raise ValueError(f'{place}: {path} is damaged ({str(error).splitlines()[0]}); prepare the set again') from error
    if found != expected:
      raise ValueError(f'{place}: {path} must hold {expected} examples, but holds {found}; prepare the set again')


def _records(split: str, source, *, labelled: bool, keep: bool) -> Records:
  count = len(source)
  labels = np.zeros(count, np.int32)
  images = []
  if labelled or keep:
    for start in range(0, count, _CHUNK):
      examples = source.__getitems__(list(range(start, min(start + _CHUNK, count))))
      if labelled:
        labels[start : start + len(examples)] = [example['label'] for example in examples]
      if keep:
        images += [example['image'] for example in examples]
  read = images.__getitem__ if keep else lambda i: source[i]['image']
  return Records(names=[f'{split}/{i:06d}' for i in range(count)], labels=labels, read=read)
