"""Prepared TensorFlow Datasets, read without TensorFlow."""

import contextlib
import difflib
import hashlib
import json
import pathlib
import re
import shlex
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from gengan.data.sources.layout import split_names
from gengan.data.sources.listing import quoted
from gengan.data.sources.records import SPLITS, Records, Source
from gengan.host.regular import require_file

TENSORFLOW = 'tensorflow-cpu>=2.20'  # what preparing a set needs: the extra `tensorflow`
KEPT_BYTES = 2 << 30  # encoded images of a split up to this size are read once, in one sweep
_CHUNK = 4096  # records a read; one by one is four times slower

_OWN = re.compile(r'tensorflow_datasets\.core\.features(\.\w+)+')  # classes that TFDS may make as a set asks for them
_CLASS_KEYS = {  # under which the files of a set name one; `type` in older sets
  'features.json': ('pythonClassName', 'python_class_name', 'type'),
  'dataset_info.json': ('pythonClassName', 'python_class_name'),
}
# mnist, voc/2007, cifar10:3.0.2; 'huggingface:x' runs other code
_NAME = re.compile(r'\w+(/[\w.-]+)*(:[\d.*]+)?', re.ASCII)
_MNIST_LIKE = ('mnist', 'fashion_mnist', 'kmnist', 'emnist')


def open_tfds(name: str, *, data_dir: str = '') -> Source:
  """A set by its TFDS name ('mnist', 'cifar10:3.0.2'), or the folder of a prepared version.

  Reads array_record files with `tfds.data_source`; the feature `image` is needed, a `label` of classes is used where it
  is there; what is not read is told. TFDS makes the classes that the files of a set name, and imports their modules:
  those of others are refused.

  Args:
    name: as in `tfds.builder`, or a folder with a dataset_info.json, or with one version that has it.
    data_dir: where TFDS keeps its sets; '' is its default.

  Raises:
    FileNotFoundError: not prepared; the line says how to prepare it.
    ValueError: TFDS knows no such set, or the set is in another file format, has no images, is incomplete or damaged,
      or asks for code that is not of TFDS.
  """
  import tensorflow_datasets as tfds

  spec = f'tfds:{name}'
  builder, notes = _builder(tfds, name, data_dir, spec)
  info = builder.info
  if 'image' not in info.features or not isinstance(info.features['image'], tfds.features.Image):
    raise ValueError(f'{spec} has no feature "image"; it has {", ".join(info.features)}')
  labelled = 'label' in info.features and isinstance(info.features['label'], tfds.features.ClassLabel)
  called = {meant: name for name, meant in split_names(info.splits).items() if name not in SPLITS}
  called |= {split: split for split in SPLITS if split in info.splits}
  if 'train' not in called:
    raise ValueError(f'{spec} has no split "train"; it has {", ".join(info.splits)}')
  used = {'image', 'label'} if labelled else {'image'}
  told = {
    'splits that are not read': [name for name in info.splits if name not in called.values()],
    'features that are not read': sorted(set(info.features) - used),
  }
  notes += tuple(f'{what}: {quoted(names)}' for what, names in told.items() if names)
  splits, identity = {}, [info.full_name]
  for split in (split for split in SPLITS if split in called):
    found, place = info.splits[called[split]], f'{spec}: {called[split]}'
    _check_files(found, place)  # first, for TFDS opens every file that is said to be there
    with _damaged(place):
      source = builder.as_data_source(split=called[split], decoders={'image': tfds.decode.SkipDecoding()})
    keep = found.num_bytes <= KEPT_BYTES
    splits[split] = _records(split, source, place, labelled=labelled, keep=keep)
    identity.append(f'{split} {found.num_bytes} {found.shard_lengths}')
  return Source(
    spec=spec,
    splits=splits,
    class_names=tuple(info.features['label'].names) if labelled else (),
    sha256=hashlib.sha256('\n'.join(identity).encode()).hexdigest(),
    notes=notes,
  )


def prepare_command(name: str, data_dir: str) -> str:
  """The shell line that prepares a set in the file format that is needed here."""
  flags = ' '.join(
    shlex.quote(f'--{flag}={text}') for flag, text in {'name': name, 'data_dir': data_dir}.items() if text
  )
  return f"pip install '{TENSORFLOW}' && python -m gengan.data.prepare {flags}"


def named_builder(name: str, data_dir: str):
  """The TFDS builder of a set, prepared or not, in the file format that is needed here.

  Raises:
    ValueError: there is no set of this name, or what lies under it asks for code that is not of TFDS; one line.
  """
  import tensorflow_datasets as tfds

  spec = f'tfds:{name}'
  name = re.sub(r'^\w+', lambda found: tfds.core.naming.camelcase_to_snakecase(found[0]), name)  # as TFDS does
  for place in tfds.core.utils.file_utils.list_data_dirs(data_dir or None):
    _check_classes(pathlib.Path(place).expanduser() / re.split('[/:]', name)[0], spec)
  try:
    return tfds.builder(name, data_dir=data_dir or None, file_format='array_record')
  except tfds.core.DatasetNotFoundError as error:
    near = difflib.get_close_matches(name, tfds.list_builders(with_community_datasets=False), 1)
    hint = f'; did you mean tfds:{near[0]}?' if near else ''
    if pathlib.Path(name).is_dir():
      hint = ', and the folder of this name holds no prepared version'
    raise ValueError(f'{spec}: TFDS {tfds.__version__} has no set of this name{hint}') from error
  except (ValueError, AssertionError) as error:
    raise ValueError(f'{spec}: {str(error).strip().splitlines()[0]}') from error


def _builder(tfds, name: str, data_dir: str, spec: str) -> tuple[Any, tuple[str, ...]]:
  """The builder of a prepared set, and what is told of it."""
  folder, notes = _version(pathlib.Path(name), spec)
  if folder:
    _check_classes(folder, spec)
    with _damaged(spec):
      builder = tfds.builder_from_directory(str(folder))
  elif name.startswith(('/', '.', '~')):
    raise FileNotFoundError(f'{spec}: that folder holds no dataset_info.json; give the folder of a prepared version')
  elif not _NAME.fullmatch(name):
    raise ValueError(f'{spec}: there is no such folder, and TFDS has names such as mnist, voc/2007 or cifar10:3.0.2')
  else:
    builder = _named(name, data_dir, spec)
  found = builder.info.file_format.value
  if found != 'array_record':
    command = prepare_command(builder.name, data_dir)
    raise ValueError(f'{spec} was prepared as {found}; array_record is needed: {command}')
  return builder, notes


def _version(folder: pathlib.Path, spec: str) -> tuple[pathlib.Path | None, tuple[str, ...]]:
  """The folder of a prepared version at this place, None where there is none, and what is told of the choice."""
  if (folder / 'dataset_info.json').is_file():
    return folder, ()
  below = sorted(path.parent for path in [*folder.glob('*/dataset_info.json'), *folder.glob('*/*/dataset_info.json')])
  if len(below) > 1:
    raise ValueError(f'{spec} holds several versions; give one of {", ".join(map(str, below))}')
  return (below[0], (f'read from {below[0].relative_to(folder)}, the only version there',)) if below else (None, ())


def _named(name: str, data_dir: str, spec: str) -> Any:
  builder = named_builder(name, data_dir)
  if not pathlib.Path(builder.data_path, 'dataset_info.json').is_file():
    otherwise = '; or read the files it was published in, without TensorFlow: config.data.source=idx:DIR'
    command = prepare_command(name, data_dir) + (otherwise if builder.name in _MNIST_LIKE else '')
    raise FileNotFoundError(f'{spec} is not prepared in {builder.data_path}; prepare it with: {command}')
  return builder


def _check_classes(folder: pathlib.Path, spec: str) -> None:
  """Refuses a set before TFDS sees it if a file there names a class of a module that is not of TFDS' features.

  Raises:
    ValueError: it does, or a file is no regular one or no JSON.
  """
  for name, keys in _CLASS_KEYS.items():
    for path in [folder / name, *folder.glob(f'*/{name}'), *folder.glob(f'*/*/{name}')]:
      if path.exists():
        with _damaged(f'{spec}: {path}'):
          require_file(path, name)  # TFDS would wait for a pipe
          named = _classes(json.loads(path.read_text('utf-8')), keys)
          strangers = [kind for kind in named if not _OWN.fullmatch(kind)]
        if strangers:
          why = 'only those of tensorflow_datasets.core.features are allowed, for TFDS imports their modules'
          raise ValueError(f'{spec}: {path} names the class {strangers[0]!r}; {why}')


def _classes(content: Any, keys: Collection[str]) -> Iterator[str]:
  """Every class that JSON names, also in JSON that stands in it as text."""
  if isinstance(content, dict):
    for key, value in content.items():
      if key in keys and isinstance(value, str):
        yield value
      elif key == 'json' and isinstance(value, str):
        yield from _classes(json.loads(value), keys)
      else:
        yield from _classes(value, keys)
  elif isinstance(content, list):
    for value in content:
      yield from _classes(value, keys)


@contextlib.contextmanager
def _damaged(place: str) -> Iterator[None]:
  """Turns whatever TFDS raises on files that are not as they should be into one line."""
  try:
    yield
  except Exception as error:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    raise ValueError(f'{place} is damaged ({reason}); prepare the set again') from error


def _check_files(split, place: str) -> None:
  """Compares the records in every file with the number that was written: TFDS itself trusts the number."""
  from array_record.python.array_record_module import ArrayRecordReader

  count = len(split.shard_lengths)
  for number, expected in enumerate(split.shard_lengths):
    with _damaged(place):
      path = split.filename_template.sharded_filepath(shard_index=number, num_shards=count)
      there = path.is_file()
    if not there:
      raise FileNotFoundError(f'{place}: {path} is missing; prepare the set again')
    try:
      reader = ArrayRecordReader(str(path))
      found = reader.num_records()
      reader.close()
    except (RuntimeError, ValueError) as error:
      raise ValueError(f'{place}: {path} is damaged ({str(error).splitlines()[0]}); prepare the set again') from error
    if found != expected:
      raise ValueError(f'{place}: {path} must hold {expected} examples, but holds {found}; prepare the set again')


def _records(split: str, source, place: str, *, labelled: bool, keep: bool) -> Records:
  count = len(source)
  labels = np.zeros(count, np.int32)
  images = []
  if labelled or keep:
    for start in range(0, count, _CHUNK):
      with _damaged(place):
        examples = source.__getitems__(list(range(start, min(start + _CHUNK, count))))
        if labelled:
          labels[start : start + len(examples)] = [example['label'] for example in examples]
        if keep:
          images += [example['image'] for example in examples]

  def read(i: int) -> bytes:
    with _damaged(place):
      return images[i] if keep else source[i]['image']

  return Records(names=[f'{split}/{i:06d}' for i in range(count)], labels=labels, read=read)
