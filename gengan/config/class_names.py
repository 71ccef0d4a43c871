"""Classes that a person asks for, by name or by number."""

import difflib
import logging
import unicodedata
from collections.abc import Sequence

from gengan.host.errors import ArgumentError

log = logging.getLogger(__name__)

LISTED = 20  # names in a message


def find(text: str, names: Sequence[str]) -> list[int]:
  """'cat,3' -> the numbers of those classes, in that order; a name may have commas of its own.

  What is the name of one class and the number of another is the name, and a line of the log says so.

  Raises:
    ArgumentError: `labels` has what is no class, with the nearest names and those that there are.
  """
  numbers = {_same(name): number for number, name in reversed(list(enumerate(names)))}
  parts, found = text.split(','), []
  while parts:
    joined = (_same(','.join(parts[:count])) for count in range(len(parts), 0, -1))
    name = next((name for name in joined if name in numbers), None)
    if name is not None:
      found.append(numbers[name])
      if name.isdecimal() and found[-1] != int(name) < len(names):
        log.warning('--labels=%s is the class of that name, number %d of this run', name, found[-1])
      parts = parts[name.count(',') + 1 :]
      continue
    first = parts.pop(0).strip()
    if not first.isdecimal() or int(first) >= len(names):
      allowed = f'classes of this run, by name or number: {_listed(names)}'
      raise ArgumentError('labels', first, allowed, why='' if first.isdecimal() else _near(first, names))
    found.append(int(first))
  return found


def _same(name: str) -> str:
  """'é' is one character or two, by who typed it."""
  return unicodedata.normalize('NFC', name.strip())


def _near(text: str, names: Sequence[str]) -> str:
  folded = {name.casefold(): name for name in names}
  near = difflib.get_close_matches(text.casefold(), folded, 3)
  return f'nearest to {" and ".join(folded[name] for name in near)}' if near else ''


def _listed(names: Sequence[str]) -> str:
  if list(names) == [str(number) for number in range(len(names))]:
    return f'0 to {len(names) - 1}'
  more = f', ... to {len(names) - 1} {names[-1]}' if len(names) > LISTED else ''
  return ', '.join(f'{number} {name}' for number, name in enumerate(names[:LISTED])) + more
