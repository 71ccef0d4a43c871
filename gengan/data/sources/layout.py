"""What the folders of an image set mean: which are splits, and which are classes.

A folder is a split where its name is one of `_WORDS` in any case, alone or with numbers or words such as `set` and
`images`. With another word in it (`seg_train`, `trainA`) it is one where a folder beside it has the same other words
and another split (`seg_test`, `testA`). So `Training`, `test_set` and `val2017` are splits, but `test_tube`,
`training_shoes` and `trainer` are classes. Other letters at such a word do as other words do (`mytrain` beside
`mytest`), but for those that English has there (`trainer` beside `tester`). `tr`, `va` and `te` are splits where
nothing else lies beside them, and so are `trains`, `vals` and `tests`.
"""

import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from gengan.data.sources.records import SPLITS
from gengan.host.names import printable, same

_WORDS = {
  'train': ('train', 'training', 'trainval', 'trn'),
  'validation': ('validation', 'validate', 'valid', 'val', 'dev'),
  'test': ('test', 'testing', 'tst', 'eval', 'evaluation', 'holdout'),
}
SPLIT_OF = {word: split for split in SPLITS for word in _WORDS[split]}
_FILLERS = (
  *('batch', 'data', 'dataset', 'fold', 'folder', 'image', 'images', 'img', 'imgs', 'part', 'photos', 'pictures'),
  *('samples', 'set', 'split'),
)
_ALONE = (  # splits where nothing else lies beside them
  {'tr': 'train', 'va': 'validation', 'te': 'test'},
  {'trains': 'train', 'vals': 'validation', 'valids': 'validation', 'tests': 'test', 'evals': 'test'},
)
# What makes other words of them: 'retrain', 'untested', 'trainees'.
_PREFIXES = ('', 'de', 'non', 'post', 'pre', 're', 'un')
_ENDINGS = ('', 'able', 'ed', 'ee', 'ees', 'er', 'ers', 'or', 'ors', 's')
_SEPARATORS = re.compile(r'[\W\d_]+|(?<=[a-z])(?=[A-Z])')
_GLUED = re.compile(rf'\b({"|".join(SPLIT_OF)})({"|".join(_FILLERS)})\b')  # 'trainset'
_OF_FILES = re.compile(f'({"|".join(sorted(SPLIT_OF, key=len, reverse=True))})[-._ 0-9]', re.IGNORECASE)
_ELSE = 'move elsewhere what belongs to none, '
_HOW = 'put splits on top, as in train/cat/1.png and test/cat/2.png, and give a class that is no split another name'

Path = Sequence[str]  # the folders and the name of a file


def split_names(folders: Iterable[str]) -> dict[str, str]:
  """Which of the folders that lie beside each other are splits.

  >>> split_names(['Training', 'test_set', 'test_tube', 'seg_val', 'seg_test'])
  {'Training': 'train', 'test_set': 'test', 'seg_val': 'validation', 'seg_test': 'test'}
  """
  return {name: split for name, (split, _) in _found(folders).items()}


def _found(folders: Iterable[str]) -> dict[str, tuple[str, tuple[str, ...]]]:
  """The splits among folders that lie beside each other, and what else their names say."""
  folders = list(folders)
  for words in _ALONE:
    plain = {name.lower() for name in folders}
    if plain <= words.keys() and {'train'} < {words[name] for name in plain}:
      return {name: (words[name.lower()], ()) for name in folders}
  groups = defaultdict(dict)  # by what else they say
  for name in folders:
    for others, split in _readings(name):
      groups[others][name] = split
  found = {}
  for others, alike in sorted(groups.items(), key=lambda group: -len(group[1])):
    if not others or len(set(alike.values())) > 1:
      for name, split in alike.items():
        found.setdefault(name, (split, others))
  return {name: found[name] for name in folders if name in found}


def _readings(name: str) -> Iterator[tuple[tuple[str, ...], str]]:
  """What else a name says, and the split that it would be: one of its words, or else a part of one."""
  words = _words(name)
  whole = [SPLIT_OF[word] for word in words if word in SPLIT_OF]
  if len(whole) == 1:
    yield _other_words(name), whole[0]
  for place, word in enumerate([] if whole else words):
    for part in [part for part in SPLIT_OF if part in word]:
      for match in re.finditer(part, word):
        before, after = word[: match.start()], word[match.end() :]
        if before not in _PREFIXES or after not in _ENDINGS:
          yield (*words[:place], before, '', after, *words[place + 1 :]), SPLIT_OF[part]


def _words(name: str) -> list[str]:
  plain = _SEPARATORS.sub(' ', unicodedata.normalize('NFKC', name)).lower().replace('train val', 'trainval')
  return _GLUED.sub(r'\1 \2', plain).split()


def _other_words(name: str) -> tuple[str, ...]:
  """The words of a name with '' for that of a split; none if they are those that say nothing."""
  words = tuple('' if word in SPLIT_OF else word for word in _words(name))
  return () if all(word in ('', *_FILLERS) for word in words) else words


def splits(paths: Sequence[Path], spec: str) -> tuple[list[str], list[Path], list[str]]:
  """The split of every file, its path below the folder of the split, and notes on what was read as a split.

  Folders that all files share are passed over; below the splits only if they hold folders or say nothing (`images`). So
  is a folder in that of a split that bears its name and holds all of it. Splits are empty where no folder is one.

  Args:
    paths: of all files.
    spec: of the set, for messages.

  Raises:
    ValueError: splits without one for training, or with files beside them, or folders below that look like splits.
  """
  paths = list(paths)
  while all(len(path) > 1 and path[0] == paths[0][0] for path in paths) and not split_names([paths[0][0]]):
    paths = [path[1:] for path in paths]
  found = split_names(sorted({path[0] for path in paths if len(path) > 1}))
  if not found:
    _check_below(paths, spec, splits=False)
    _check_classes({path[0] for path in paths if len(path) > 1}, spec)
    return [], paths, _names_like_splits(paths)
  _check_top(paths, found, spec)
  while _is_shared(paths):
    paths = [[path[0], *path[2:]] for path in paths]
  twice = {top for top in found if all(len(path) > 2 and path[1] == top for path in paths if path[0] == top)}
  paths = [path[1:] if path[0] in twice else path for path in paths]
  notes = _check_below(paths, spec, splits=True)
  usual = all(top.lower() in (split, split[:3], split[:5]) for top, split in found.items())
  if not usual or len(set(found.values())) < len(found):
    notes.append('folders read as splits: ' + ', '.join(f'{_quoted(top)} as {found[top]}' for top in found))
  return [found[path[0]] for path in paths], [path[1:] for path in paths], notes


def empty_splits(images: Sequence[str], folders: Iterable[str], empty: Iterable[str]) -> set[str]:
  """Which splits there would be if empty folders held images.

  Args:
    images: their names.
    folders: all.
    empty: of these the ones without an image.
  """
  shared = posixpath.commonpath({posixpath.dirname(f'/{name}') for name in images})
  beside = defaultdict(list)
  for folder in folders:
    beside[posixpath.dirname(f'/{folder}')].append(folder)
  above = [parent for parent in beside if posixpath.commonpath([parent, shared]) == parent]
  empty, lost = set(empty), set()
  for parent in above:
    found = split_names(map(posixpath.basename, beside[parent]))
    lost |= {found.get(posixpath.basename(folder)) for folder in empty.intersection(beside[parent])}
  return lost - {None}


def _is_shared(paths: Sequence[Path]) -> bool:
  """Whether all splits hold one folder, which is the same and no class."""
  if any(len(path) < 3 or path[1] != paths[0][1] for path in paths) or split_names([paths[0][1]]):
    return False
  return all(len(path) > 3 for path in paths) or not _other_words(paths[0][1])


def _check_top(paths: Sequence[Path], found: dict[str, str], spec: str) -> None:
  listed = ', '.join(map(_quoted, found))
  outside = [path for path in paths if len(path) == 1 or path[0] not in found]
  if outside:
    beside = sorted({path[0] for path in outside})
    lie = f'and {len(beside) - 1} more lie' if len(beside) > 1 else 'lies'
    raise ValueError(f'{spec}: {_quoted(beside[0])} {lie} beside what looks like a split: {listed}; {_ELSE}{_HOW}')
  if len({others for _, others in _found(found).values()}) > 1:
    raise ValueError(f'{spec}: these look like splits of more than one set: {listed}; {_HOW}')
  if 'train' not in found.values():
    raise ValueError(f'{spec}: no train/ with images is among the folders that look like splits: {listed}; {_HOW}')


def _check_below(paths: Sequence[Path], spec: str, *, splits: bool) -> list[str]:
  """Refuses what looks like a split in a class; `train` in a split may be a class, for there are trains on photos."""
  below, notes = defaultdict(set), []
  for folders in {tuple(path[:-1]) for path in paths}:
    for depth in range(1, len(folders)):
      below[folders[:depth]].add(folders[depth])
  for parents, folders in sorted(below.items()):
    found = split_names(sorted(folders))
    names = ', '.join(_quoted('/'.join((*parents, name))) for name in found)
    if splits and len(folders) > 2 and [*map(str.lower, found)] == ['train']:
      notes.append(f'{names} is read as a class called train, not as a split')
    elif found:
      raise ValueError(f'{spec}: {_quoted("/".join(parents))} holds what looks like a split: {names}; {_HOW}')
  return notes


def _check_classes(folders: Iterable[str], spec: str) -> None:
  """Refuses classes which all bear the word of a split, and not the same: `train-jpg` and `test-jpg-additional`."""
  meant = {name: {SPLIT_OF[word] for word in _words(name) if word in SPLIT_OF} for name in sorted(folders)}
  if all(meant.values()) and len(set().union(*meant.values())) > 1:
    listed = ', '.join(map(_quoted, meant))
    raise ValueError(f'{spec}: {listed} look like splits, but differ in other words, too; {_HOW}')


def _names_like_splits(paths: Sequence[Path]) -> list[str]:
  """A note where files of one folder are called train_1.png and test_1.png."""
  found = {}
  for path in paths:
    if word := _OF_FILES.match(path[-1]):
      found.setdefault(SPLIT_OF[word[1].lower()], path[-1])
  told = ' and '.join(map(_quoted, found.values()))
  return [f'names of files such as {told} give no splits, only folders and tables do'] if len(found) > 1 else []


def classes(paths: Sequence[Path], spec: str) -> list[str]:
  """The class of every file, the first folder of its path below the split; none at all if no file lies in a folder.

  Raises:
    ValueError: files beside the folders of classes, or two folders whose names differ in the encoding alone.
  """
  loose = ['/'.join(path) for path in paths if len(path) == 1]
  if len(loose) == len(paths):
    return []
  if loose:
    found = f'{len(loose)} images, such as {_quoted(loose[0])}, lie beside the class folders'
    raise ValueError(f'{spec}: {found}; move each into a class folder')
  folders = {path[0] for path in paths}
  shown = {folder: same(printable(folder)) for folder in folders}
  for name, count in Counter(shown.values()).items():
    if count > 1:
      alike = ' and '.join(ascii(folder) for folder in sorted(folders) if shown[folder] == name)
      raise ValueError(f'{spec}: {count} class folders are called {name!r}, written as {alike}; make them one folder')
  return [shown[path[0]] for path in paths]


def _quoted(name: str) -> str:
  return f"'{printable(name)}'"
