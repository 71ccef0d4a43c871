"""Names of files and classes in a form that every file and terminal takes."""

import unicodedata
from collections.abc import Iterable

_BIDIRECTIONAL = '\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069'  # turn what follows round


def printable(name: str) -> str:
  """The name itself, but for bytes that are not UTF-8, control characters and those that turn what follows round.

  Those as escapes, such as `caf\\xe9`.
  """
  return name if name.isprintable() else ''.join(map(_escaped, name))


def _escaped(character: str) -> str:
  if '\udc80' <= character <= '\udcff':  # how Python writes a byte that is not UTF-8
    return f'\\x{ord(character) - 0xDC00:02x}'
  unfit = unicodedata.category(character) in ('Cc', 'Cs', 'Zl', 'Zp') or character in _BIDIRECTIONAL
  return character.encode('unicode_escape').decode() if unfit else character


def same(name: str) -> str:
  """What names that look the same have in common: 'é' is one character or two, by who wrote it (Unicode's form C)."""
  return unicodedata.normalize('NFC', name)


def distinct(names: Iterable[str]) -> tuple[str, ...]:
  """Printable names that tell classes apart: of those that are the same the second gets _2 at its end, the third _3.

  >>> distinct(['crane', 'ship', 'crane'])
  ('crane', 'ship', 'crane_2')
  """
  plain = [same(printable(name.strip())) for name in names]
  taken, last, found = set(plain), {}, []
  for name in plain:
    number = last.get(name, 0) + 1
    while number > 1 and f'{name}_{number}' in taken:
      number += 1
    last[name] = number
    found.append(name if number == 1 else f'{name}_{number}')
  return tuple(found)
