"""What these data allow to measure, known before anything is: families that have too few images, missing classes."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from gengan import data
from gengan.metrics.family import Family

SHOWN = 8  # names in a line
NO_IMAGE = 'no image at all'  # of a class


def class_names(dataset: data.Dataset) -> tuple[str, ...]:
  """Those of the data, with the label behind a name that two classes have."""
  names = dataset.class_names
  return tuple(name if names.count(name) == 1 else f'{name} ({label})' for label, name in enumerate(names))


def counts(family: Family, dataset: data.Dataset, split: str, *, generated: int, pairwise: int) -> tuple[int, ...]:
  """How many images of each kind that it looks at a family is given; none where it looks at no fixed number."""
  held_out = len(getattr(dataset, split))
  return {
    'all': (held_out, generated),
    'pairs': (min(held_out, pairwise), min(generated, pairwise)),
    'held_out': (held_out,),
    'samples': (generated,),
    'none': (),
  }[family.images.of]


def impossible(
  families: Mapping[str, Family], dataset: data.Dataset, split: str, *, generated: int, pairwise: int
) -> dict[str, str]:
  """The families, by name, that nothing can be measured of with so few images, and why."""
  found = {}
  largest = np.bincount(getattr(dataset, split).labels).max(initial=0)
  for name, family in families.items():
    wanted = family.images
    fewest = min(counts(family, dataset, split, generated=generated, pairwise=pairwise), default=wanted.least)
    if fewest < wanted.least:
      found[name] = f'it takes at least {wanted.least} images of each kind, and there are {fewest}'
    elif largest < wanted.of_class:
      found[name] = f'it takes at least {wanted.of_class} {split} images of a class, and none has more than {largest}'
  return found


def missing_classes(dataset: data.Dataset, split: str, *, least: int = 1) -> dict[str, str]:
  """The classes, by name, without an image to train on or with fewer than `least` in that split, and which it is."""
  held_out = np.bincount(getattr(dataset, split).labels, minlength=dataset.num_classes)
  trained = np.bincount(dataset.train.labels, minlength=dataset.num_classes)
  found = {}
  for label, name in enumerate(class_names(dataset)):
    if not held_out[label] and not trained[label]:
      found[name] = NO_IMAGE
    elif held_out[label] < least:
      found[name] = f'{held_out[label] or "no"} {split} image{"s" if held_out[label] > 1 else ""}'
    elif not trained[label]:
      found[name] = 'no training image'
  return found


def told(left_out: Mapping[str, str]) -> str:
  """'7 (no test image); 0, 3 (no image at all)': names with the same reason stand together, the first 8 of them."""
  by_reason = {}
  for name, why in left_out.items():
    by_reason.setdefault(why, []).append(name)
  return '; '.join(f'{listed(names)} ({why})' for why, names in by_reason.items())


def listed(names: Sequence[str]) -> str:
  """'a, b and 3 more'."""
  more = f' and {len(names) - SHOWN:,} more' if len(names) > SHOWN else ''
  return ', '.join(names[:SHOWN]) + more


def notes(
  families: Mapping[str, Family], dataset: data.Dataset, split: str, *, generated: int, pairwise: int
) -> Iterable[str]:
  """One line for each thing that the scores will lack."""
  for name, why in impossible(families, dataset, split, generated=generated, pairwise=pairwise).items():
    yield f'{name} cannot be measured: {why}'
  by_class = [family.images.of_class for family in families.values() if family.images.of_class]
  if by_class and (missing := missing_classes(dataset, split, least=max(by_class))):
    yield f'scores of classes leave out those that they cannot judge: {told(missing)}'


def few(
  families: Mapping[str, Family], dataset: data.Dataset, split: str, *, generated: int, pairwise: int
) -> Iterable[str]:
  """A line where families are given fewer images than their scores need to be believed; a report says more of it."""
  short = []
  for name, each in families.items():
    fewest = min(counts(each, dataset, split, generated=generated, pairwise=pairwise), default=math.inf)
    if fewest < each.images.enough:
      short.append(f'{name} (below {each.images.enough:,})')
  if short:
    there = f'{len(getattr(dataset, split)):,} {split} images and {generated:,} samples'
    yield f'{there} are few for {", ".join(short)}: see docs/metrics.md'
