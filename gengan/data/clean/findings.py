"""The kinds of findings: each finder takes the facts of all images and gives groups of examples."""

import dataclasses
from collections import Counter, defaultdict

import numpy as np

from gengan.data import duplicates
from gengan.data.clean.examine import Examined
from gengan.host.errors import ArgumentError

MAX_PAIRS = 10_000_000  # near duplicates compared in detail

# Kind: (title, what it means).
KINDS = {
  'unreadable': ('Unreadable files', 'Damaged, cut short, or not an image.'),
  'blank': ('Blank images', 'Nearly one colour all over. Transparent ground counts as white, so white on it is blank.'),
  'duplicate': ('Exact duplicates', 'The same pixels more than once in one split. The first copy stays.'),
  'near_duplicate': ('Near duplicates', 'Almost the same picture in one split: saved anew or scaled. The first stays.'),
  'leakage': ('Leakage between splits', 'The same pixels in a held-out split and in another. The held-out copy stays.'),
  'near_leakage': ('Near leakage between splits', 'Near duplicates of images in a held-out split, which stay there.'),
  'conflicting_labels': ('Copies with different labels', 'The same pixels under several labels: one or more is wrong.'),
  'outlier_size': ('Unusual sizes', 'Less than half or over twice the usual side, or a shape far from the usual one.'),
  'outlier_mode': ('Unusual channels', 'Stored with other channels or depth than nearly all the rest.'),
  'rare_label': ('Labels with few examples', 'Too few training examples to learn from.'),
}
# Left out of training unless told otherwise.
EXCLUDABLE = ('unreadable', 'blank', 'duplicate', 'near_duplicate', 'leakage', 'near_leakage')


def _number(default: float, high: float, unit: str, meaning: str):
  return dataclasses.field(default=default, metadata={'high': high, 'unit': unit, 'meaning': meaning})


@dataclasses.dataclass(frozen=True)
class Settings:
  """What counts as a finding, each a number from 0 to a highest one.

  Raises:
    ArgumentError: a number out of range.
  """

  blank_deviation: float = _number(2.0, 255, 'grey levels', 'of standard deviation below which an image is blank')
  near_distance: int = _number(4, 8, 'bits', 'of 64 in which the perceptual hashes of near duplicates may differ')
  near_colour: int = _number(32, 255, 'grey levels', 'by which any of the 16x16 cells of near duplicates may differ')
  min_per_class: int = _number(20, 10**9, 'examples', 'of the train split below which a label is rare')

  def __post_init__(self):
    for field in dataclasses.fields(self):
      value, high, unit = getattr(self, field.name), field.metadata['high'], field.metadata['unit']
      if not 0 <= value <= high:
        raise ArgumentError(field.name, value, f'from 0 to {high} {unit}')


DEFAULT = Settings()


@dataclasses.dataclass(frozen=True)
class Group:
  """Examples that belong together: those to drop, and the one that they copy, if any."""

  members: list[int]  # positions in Examined
  kept: int | None
  note: str


def find(facts: Examined, class_names: tuple[str, ...], settings: Settings) -> tuple[dict[str, list[Group]], list[str]]:
  """All findings by kind, in the order of `KINDS`, and remarks on how they were found.

  Args:
    facts: what is known of every image.
    class_names: one a label; empty without labels.
    settings: what counts as a finding.
  """
  found = {kind: [] for kind in KINDS}
  found['unreadable'] = [Group([i], None, error) for i, error in sorted(facts.errors.items())]
  readable = np.array([i not in facts.errors for i in range(len(facts))], bool)
  blank = np.flatnonzero(readable & (facts.deviation < settings.blank_deviation))
  found['blank'] = [Group([int(i)], None, f'standard deviation {facts.deviation[i]:.2f} grey levels') for i in blank]
  usable = np.flatnonzero(readable & (facts.deviation >= settings.blank_deviation))
  first = _exact(facts, usable, class_names, found)
  remarks = _near(facts, first, found, settings)
  found['outlier_size'] = _outlier_sizes(facts, np.flatnonzero(readable))
  found['outlier_mode'] = _outlier_modes(facts, np.flatnonzero(readable))
  found['rare_label'] = _rare_labels(facts, class_names, settings.min_per_class)
  return found, remarks


def exclusions(found: dict[str, list[Group]], kinds: tuple[str, ...], facts: Examined) -> dict[str, dict[str, str]]:
  """{split: {name: why}} of all examples to leave out."""
  reasons = defaultdict(dict)
  for kind in kinds:
    for group in found[kind]:
      for i in group.members:
        of = '' if group.kept is None else f' of {facts.names[group.kept]}'
        reasons[str(facts.split[i])].setdefault(facts.names[i], f'{kind}{of}')
  return {split: dict(sorted(names.items())) for split, names in sorted(reasons.items())}


def _exact(facts: Examined, usable: np.ndarray, class_names, found) -> np.ndarray:
  """Fills in the copies of equal pixels; returns the first of each, ascending."""
  copies = defaultdict(list)
  for i in usable.tolist():
    copies[facts.sha256[i]].append(i)
  for kept, *others in copies.values():
    _add_copies(facts, found, kept, others, 'duplicate', 'leakage', 'the same pixels')
    labels = {int(facts.labels[i]) for i in (kept, *others)}
    if len(labels) > 1:
      names = ', '.join(class_names[label] for label in sorted(labels))
      found['conflicting_labels'].append(Group([kept, *others], None, names))
  return np.array(sorted(members[0] for members in copies.values()), np.int64)


def _near(facts: Examined, first: np.ndarray, found, settings: Settings) -> list[str]:
  hashes = duplicates.perceptual_hash(facts.grey[first])
  pairs, stopped = duplicates.close_pairs(hashes, max_distance=settings.near_distance, max_pairs=MAX_PAIRS)
  similar = np.zeros(len(pairs), bool)
  for start in range(0, len(pairs), 1 << 16):
    a, b = first[pairs[start : start + (1 << 16)]].T
    difference = np.abs(facts.colour[a].astype(np.int16) - facts.colour[b])
    similar[start : start + (1 << 16)] = difference.max(axis=(1, 2, 3)) <= settings.near_colour
  groups = defaultdict(list)
  for dropped, kept in duplicates.keepers(first[pairs[similar]]).items():
    groups[kept].append(dropped)
  for kept, others in sorted(groups.items()):
    _add_copies(facts, found, kept, sorted(others), 'near_duplicate', 'near_leakage', 'nearly the same')
  remark = f'The search for near duplicates stopped after {MAX_PAIRS:,} candidates. A smaller near_distance helps.'
  return [remark] if stopped else []


def _add_copies(facts: Examined, found, kept: int, others: list[int], within: str, across: str, note: str) -> None:
  same = [i for i in others if facts.split[i] == facts.split[kept]]
  elsewhere = [i for i in others if facts.split[i] != facts.split[kept]]
  if same:
    found[within].append(Group(same, kept, note))
  if elsewhere:
    found[across].append(Group(elsewhere, kept, note))


def _outlier_sizes(facts: Examined, readable: np.ndarray) -> list[Group]:
  if not len(readable):
    return []
  width, height = facts.width[readable].astype(float), facts.height[readable].astype(float)
  side, shape = np.log2(width * height) / 2, np.log2(width / height)
  odd = (np.abs(side - np.median(side)) > 1) | (np.abs(shape - np.median(shape)) > 1)
  return [Group([int(i)], None, f'{facts.width[i]} x {facts.height[i]}') for i in readable[odd]]


def _outlier_modes(facts: Examined, readable: np.ndarray) -> list[Group]:
  counts = Counter(facts.mode[i] for i in readable)
  rare = {mode for mode, count in counts.items() if count < 0.05 * len(readable)}
  return [Group([int(i)], None, facts.mode[i]) for i in readable if facts.mode[i] in rare]


def _rare_labels(facts: Examined, class_names, min_per_class: int) -> list[Group]:
  groups = []
  for label, name in enumerate(class_names):
    members = np.flatnonzero((facts.labels == label) & (facts.split == 'train')).tolist()
    if len(members) < min_per_class:
      groups.append(Group(members, None, f'{name}: {len(members)} in train'))
  return groups
