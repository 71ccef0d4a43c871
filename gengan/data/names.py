"""Names of files and classes in a form that every file and terminal takes."""

import os
import unicodedata
from collections.abc import Iterable


def printable(name: str) -> str:
  """The name itself, but for bytes that are not UTF-8 and control characters: those as escapes, such as `caf\\xe9`."""
  name = os.fsencode(name).decode('utf-8', 'backslashreplace')
  if name.isprintable():
    return name
  escaped = lambda character: character.encode('unicode_escape').decode()
  return ''.join(escaped(each) if unicodedata.category(each) in ('Cc', 'Zl', 'Zp') else each for each in name)


def same(name: str) -> str:
  """What names that look the same have in common: 'é' is one character or two, by who wrote it (Unicode's form C)."""
  return unicodedata.normalize('NFC', name)


def distinct(names: Iterable[str]) -> tuple[str, ...]:
  """Printable names that tell classes apart: of those that are the same the second gets _2 at its end, the third _3.

  >>> distinct(['crane', 'ship', 'crane'])
  ('crane', 'ship', 'crane_2')
  """
  plain = [same(printable(name.strip())) for name in names]
  taken, found = set(plain), []
  for position, name in enumerate(plain):
    number = 1 + plain[:position].count(name)
    while number > 1 and f'{name}_{number}' in taken:
      number += 1
    found.append(name if number == 1 else f'{name}_{number}')
    taken.add(found[-1])
  return tuple(found)
