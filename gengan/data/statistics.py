"""What is known of a data set, as JSON: what it was made of, what its images are like, and how two sets differ."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from gengan.data.decoding.ranges import Range

DARK = 64  # of 255: splits without a lighter value are told
_FEW_VALUES = 1e-3  # so many of a split's values may be lighter: damaged pixels, a value for "no data"
# Of sets that are not in memory: of train, for mean and standard deviation; of the others, for their lightest value.
EXAMPLES, FEW = 4096, 256

# What a model was trained on, as `Dataset.statistics` tells it. Each hash depends on those before it: on the files, on
# which of them are in which split, and on what decoding made of them.
_HASHES = ('sha256', 'chosen_sha256', 'decoded_sha256')
_FACTS = ('examples', 'excluded', 'subset', 'preprocessing')


def describe(splits: Mapping[str, Any], class_names: tuple[str, ...]) -> dict[str, Any]:
  """Counts, hashes and moments of the splits.

  Args:
    splits: `dataset.Split` by name, 'train' among them.
    class_names: one a label; empty where there are no labels.
  """
  in_memory = all(isinstance(split.images, np.ndarray) for split in splits.values())
  return {
    'examples': {name: len(split) for name, split in splits.items()},
    'labelled': bool(class_names),
    'class_names': list(class_names),
    'train_by_class': np.bincount(splits['train'].labels, minlength=max(len(class_names), 1)).tolist(),
    'in_memory': in_memory,
    'decoded_sha256': _sha256(splits) if in_memory else None,
    'chosen_sha256': _chosen_sha256(splits),
    **_moments(splits['train'].images),
  }


def lacking(splits: Mapping[str, Any], class_names: tuple[str, ...]) -> list[str]:
  """A line for the splits without an image, and one for every other that lacks some class.

  What a split lacks can be neither learnt nor measured there.
  """
  empty = [split for split, content in splits.items() if not len(content)]
  them = 'them' if len(empty) > 1 else 'it'
  has = 'have' if len(empty) > 1 else 'has'
  lines = [f'{" and ".join(empty)} {has} no image at all: nothing can be evaluated on {them}'] if empty else []
  for split, content in splits.items():
    missing = [class_names[label] for label in np.setdiff1d(np.arange(len(class_names)), content.labels)]
    if missing and len(content):
      more = f' and {len(missing) - 5} more' if len(missing) > 5 else ''
      classes = 'class' if len(missing) == 1 else f'{len(missing)} classes'
      lines.append(f'{split} has no image of {classes} {", ".join(missing[:5])}{more}')
  return lines


def darkness(splits: Mapping[str, Any], light: Mapping[str, int]) -> list[str]:
  """A line about train if it is almost black, or else about each other split that is: perhaps 255 is not their white.

  Args:
    splits: see `describe`.
    light: `_light` of train.
  """
  found = {'train': light}
  if light['most'] > DARK:
    others = [(name, split.images) for name, split in splits.items() if name != 'train' and len(split)]
    found = {name: _light(_counts(_some(images, FEW))) for name, images in others}
  lines = []
  for name, values in found.items():
    if values['lightest'] <= DARK:
      lines.append(f'the lightest value in {name} is {values["lightest"]} of 255')
    elif values['most'] <= DARK:
      lines.append(f'all but a thousandth of the values in {name} are at most {values["most"]} of 255')
  return [f'{line}; config.data.range says what is white' for line in lines]


def treatment(config: Mapping[str, Any], levels: Range) -> dict[str, Any]:
  """What `dataset.load` and the iterator do to every image, by the data section of a config and the range found."""
  grey = '(x + u) / 128 - 1' if config['dequantise'] else 'x / 127.5 - 1'
  return {
    'image_shape': [config['image_size'], config['image_size'], config['channels']],
    'range': list(levels),
    'crop': 'centre square' if config['crop'] else 'none: stretched',
    'resize': 'bicubic, antialiased (Pillow)',
    'alpha': 'composited on white',
    'scale': grey if config['binarise'] == 'none' else 'black and white: -1, 1',
    **{name: config[name] for name in ('flip', 'dequantise', 'binarise')},
  }


def differences(kept: dict[str, Any], here: dict[str, Any]) -> list[str]:
  """What tells one data set from another: nothing where a model that was trained on one may be trained on the other.

  Where the files lie, and whether they fit into memory, does not count. What only one of them knows is not compared: a
  set that is decoded when it is read has no hash of its pixels.

  Args:
    kept: `Dataset.statistics`, perhaps as JSON, of the one.
    here: of the other.

  Returns:
    'examples.train is 80 there and 83 here' for every fact that differs; of the hashes only the first that does.
  """
  kept, here = (json.loads(json.dumps(statistics)) for statistics in (kept, here))
  known = lambda names: [name for name in names if None not in (kept.get(name), here.get(name))]
  texts = [
    f'{name} is {kept[name][:12]}… there and {here[name][:12]}… here'
    for name in known(_HASHES)
    if kept[name] != here[name]
  ][:1]
  for name in known(_FACTS):
    for key in sorted(kept[name].keys() & here[name].keys()):
      if kept[name][key] != here[name][key]:
        texts.append(f'{name}.{key} is {kept[name][key]} there and {here[name][key]} here')
  return texts


def _sha256(splits: Mapping[str, Any]) -> str:
  digest = hashlib.sha256()
  for split in splits.values():
    digest.update(np.ascontiguousarray(split.images).data)
    digest.update(split.labels.data)
  return digest.hexdigest()


def _chosen_sha256(splits: Mapping[str, Any]) -> str:
  """Of which examples are in which split."""
  digest = hashlib.sha256()
  for name, split in splits.items():
    digest.update('\n'.join((name, *map(str, split.names), '')).encode())
  return digest.hexdigest()


def _some(images, count: int) -> np.ndarray:
  """All images where they are in memory, else so many at most."""
  if isinstance(images, np.ndarray):
    return images
  return images[np.unique(np.linspace(0, len(images) - 1, count).astype(np.int64))]


def _moments(images) -> dict[str, Any]:
  """Mean and standard deviation by channel on the scale x / 127.5 - 1; of all images where they are in memory."""
  images = _some(images, EXAMPLES)
  levels, counts = np.arange(256) / 127.5 - 1, _counts(images)
  means = [np.average(levels, weights=count) for count in counts]
  stds = [np.average((levels - mean) ** 2, weights=count) ** 0.5 for mean, count in zip(means, counts, strict=True)]
  return {
    'mean': list(map(float, means)),
    'std': list(map(float, stds)),
    'light': _light(counts),
    'moments_examples': len(images),
  }


def _counts(images: np.ndarray) -> list[np.ndarray]:
  """How often each of the 256 values occurs, by channel: exact, and no floating-point copy of the images."""
  return [np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(images.shape[-1])]


def _light(counts: list[np.ndarray]) -> dict[str, int]:
  """The lightest value of all channels, and the one that all but a thousandth are not above."""
  total = np.cumsum(np.sum(counts, axis=0))
  shares = {'lightest': 1.0, 'most': 1 - _FEW_VALUES}
  return {name: int(np.searchsorted(total, share * total[-1])) for name, share in shares.items()}
