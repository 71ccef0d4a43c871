"""The ledger of a set that is being written: its plan and a receipt for every finished shard, so that it can go on.

<out>.partial/plan.json       what was asked for; anything else is refused
<out>.partial/data/           becomes <out> when all is done
<out>.partial/receipts/       one JSON file a shard: its files with their SHA-256, and its counts
<out>.partial/tmp/            unfinished files

Every file is written in tmp, made durable and renamed; a receipt comes after the files that it lists. So after a kill
at any moment the shards with a receipt are whole, and every other one is made again, byte for byte.
"""

import contextlib
import hashlib
import itertools
import json
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

from gengan.generate.formats import shards
from gengan.host import checksums, files, locks

FOLDERS = ('data', 'receipts', 'notes', 'tmp', 'lines')  # below <out>.partial; 'lines' in some formats only


class Ledger:
  """The folder `root` beside `out`, <out>.partial, locked for this process while it is open."""

  def __init__(self, out: pathlib.Path, plan: dict[str, Any], *, rank: int = 0):
    """Begins a set, or goes on with one.

    Args:
      out: the folder to make; must not exist.
      plan: JSON-able; everything that the bytes depend on.
      rank: of this process among those that work on the set; each has shards of its own.

    Raises:
      ValueError: there is a set with another plan or a damaged one, another process with this rank is at work on it, or
        <out>.partial is somebody's own folder.
    """
    self.out, self.root, self._rank = out, out.with_name(f'{out.name}.partial'), rank
    _require_own(self.root)
    for folder in FOLDERS[:4]:
      (self.root / folder).mkdir(parents=True, exist_ok=True)
    self._lock = locks.take(self.root / 'tmp' / f'lock-{rank}', f'{self.root} is being written by another process')
    begun = self._read('plan.json')
    if begun is None:
      try:
        self._write('plan.json', shards.to_json(plan))
      except OSError:
        self.discard_if_empty()
        raise
    else:
      require_same(begun, plan, f'{self.root} was begun', 'Finish it, or delete it')

  def receipt(self, shard: int) -> dict[str, Any] | None:
    """The receipt of a finished shard, or None.

    Raises:
      ValueError: it is damaged; names it. So does `once`.
    """
    return self._read(f'receipts/{shard:05d}.json')

  def intact(self, shard: int) -> bool:
    """Whether a shard has a receipt and its files are what was written; if not, it must be made again."""
    try:
      receipt = self.receipt(shard)
      return receipt is not None and all(self._sha256(name) == sha256 for name, sha256 in receipt['files'].items())
    except (OSError, ValueError):  # a file or the receipt itself is missing or damaged
      return False

  @property
  def finished(self) -> int:
    """How many shards have a receipt."""
    return len(list((self.root / 'receipts').glob('*.json')))

  def record(self, shard: int, names: list[str], facts: dict[str, Any]) -> None:
    """Marks a shard as finished: the names of its files, below data, and what `receipt` returns beside 'files'."""
    content = {**facts, 'files': {name: self._sha256(name) for name in names}}
    self._write(f'receipts/{shard:05d}.json', json.dumps(content, sort_keys=True))

  def once(self, name: str, find: Callable[[], Any]) -> Any:
    """What `find` gave when a process first asked for it: JSON-able, and kept until the set is published.

    None is not kept: the next process looks again.
    """
    found = self._read(f'notes/{name}.json')
    if found is None and (found := find()) is not None:
      self._write(f'notes/{name}.json', json.dumps(found, sort_keys=True))
    return found

  def discard_if_empty(self) -> None:
    """Gives the lock back, and deletes the folder if no shard is finished and no other process is at work."""
    self.close()
    if not self.root.exists() or self.finished:
      return
    with contextlib.suppress(ValueError):  # another process is at work
      for path in (self.root / 'tmp').glob('lock-*'):
        locks.take(path, 'held').close()
      _take_away(self.root)

  def publish(self, num_shards: int, others: list[str]) -> None:
    """Lists every file in SHA256SUMS, those of the shards and others below data, and gives the set its name."""
    listed = hashlib.sha256()
    with shards.placing(self.root, checksums.SUMS) as beside, beside.open('w') as file:
      of_shards = (known for shard in range(num_shards) for known in self.receipt(shard)['files'].items())
      of_others = ((name, self._sha256(name)) for name in others)
      for name, sha256 in itertools.chain(of_shards, of_others):
        line = f'{sha256}  {name}\n'
        listed.update(line.encode())
        file.write(line)
      file.write(f'# {listed.hexdigest()}\n')  # the list vouches for itself, as in `checksums.seal`
    os.replace(self.root / 'data', self.out)
    files.sync(self.out.parent)
    self.close()
    _take_away(self.root)

  def close(self) -> None:
    """Gives the lock back."""
    self._lock.close()

  def _sha256(self, name: str) -> str:
    with (self.root / 'data' / name).open('rb') as file:
      return hashlib.file_digest(file, 'sha256').hexdigest()

  def _read(self, name: str) -> Any | None:
    path = self.root / name
    try:
      return json.loads(path.read_text(encoding='utf-8')) if path.exists() else None
    except ValueError as error:
      raise ValueError(f'{path} is damaged: {error}. Delete {self.root} and generate the set again') from error

  def _write(self, name: str, text: str) -> None:
    with files.replacing(self.root / name, beside=self.root / 'tmp' / f'note-{self._rank}') as beside:
      beside.write_text(text, encoding='utf-8', errors='backslashreplace')


def clean(out: pathlib.Path) -> None:
  """Deletes what a process left behind that was killed just after publishing."""
  root = out.with_name(f'{out.name}.partial')
  if (root / 'plan.json').exists() and not (root / 'data').exists():
    _take_away(root)


def _require_own(root: pathlib.Path) -> None:
  """Raises a ValueError where a folder that begins no set holds files."""
  begun = root / 'plan.json'
  if root.is_dir() and not begun.exists():
    for path in root.rglob('*'):
      # Another process may begin the set at this moment.
      if path.is_file() and path.parent != root / 'tmp' and not begun.exists():
        raise ValueError(f'{root} is needed for what is unfinished, but it holds {path.name!r}; choose another --out')


def _take_away(root: pathlib.Path) -> None:
  """Deletes what a ledger made and nothing else, the plan last; several processes may do so at once."""
  for folder in FOLDERS:
    shutil.rmtree(root / folder, ignore_errors=True)
  (root / 'plan.json').unlink(missing_ok=True)
  with contextlib.suppress(OSError):  # somebody's own file is in it, or it is gone
    root.rmdir()


def require_same(kept: dict[str, Any], wanted: dict[str, Any], where: str, advice: str) -> None:
  """Refuses to go on with a set under another plan than the one that it was begun with.

  Raises:
    ValueError: names what differs.
  """
  wanted = json.loads(json.dumps(wanted))
  changed = [
    f'{key} {json.dumps(kept.get(key))} there and {json.dumps(wanted.get(key))} here'
    for key in sorted(kept.keys() | wanted.keys())
    if kept.get(key) != wanted.get(key)
  ]
  if changed:
    raise ValueError(f'{where} with other settings: {"; ".join(changed)}. {advice}, or choose another --out')
