"""Decodes every image of a source once, and notes what cleaning needs to know about each."""

import dataclasses
import hashlib

import numpy as np
from PIL import Image

from gengan.data.decoding import squares
from gengan.data.sources.records import SPLITS, Source

GREY_SIDE = 32  # of the grey picture that the perceptual hash reads
COLOUR_SIDE = 16  # of the colour picture that confirms near duplicates


@dataclasses.dataclass(frozen=True)
class Examined:
  """Facts by example, [N], in the order test, validation, train: of two copies the first is the one to keep."""

  split: np.ndarray  # name of the source's split
  index: np.ndarray  # position in that split
  names: list[str]  # of the examples
  labels: np.ndarray  # int32
  errors: dict[int, str]  # {position: why it cannot be read}
  width: np.ndarray  # pixels, int32; 0 where unreadable
  height: np.ndarray  # likewise
  mode: list[str]  # as stored, e.g. 'RGBA'; '' where unreadable
  sha256: list[bytes]  # of the decoded pixels; b'' where unreadable
  deviation: np.ndarray  # standard deviation of the grey levels (0..255), the largest of the channels, float32
  grey: np.ndarray  # uint8 [N, 32, 32], for the perceptual hash
  colour: np.ndarray  # uint8 [N, 16, 16, 3]

  def __len__(self) -> int:
    return len(self.names)


def examine(source: Source) -> Examined:
  """Decodes every image once. Unreadable images are noted, not raised."""
  order = [split for split in reversed(SPLITS) if split in source.splits]
  counts = [len(source.splits[split]) for split in order]
  total = sum(counts)
  split = np.repeat(order, counts)
  index = np.concatenate([np.arange(count) for count in counts])
  facts = Examined(
    split=split,
    index=index,
    names=[name for part in order for name in source.splits[part].names],
    labels=np.concatenate([source.splits[part].labels for part in order]),
    errors={},
    width=np.zeros(total, np.int32),
    height=np.zeros(total, np.int32),
    mode=[''] * total,
    sha256=[b''] * total,
    deviation=np.zeros(total, np.float32),
    grey=np.zeros((total, GREY_SIDE, GREY_SIDE), np.uint8),
    colour=np.zeros((total, COLOUR_SIDE, COLOUR_SIDE, 3), np.uint8),
  )

  def look(i: int) -> None:
    try:
      decoded = squares.decode(source.splits[split[i]].read(int(index[i])), source.levels)
    except (ValueError, OSError) as error:
      facts.errors[i] = str(error)
    else:
      _note(facts, i, decoded)

  squares.in_threads(look, total)
  return facts


def _note(facts: Examined, i: int, decoded: squares.Decoded) -> None:
  image = decoded.image
  facts.width[i], facts.height[i] = image.size
  facts.mode[i] = decoded.mode
  rgb = image.convert('RGB')
  values = np.asarray(rgb)
  # Grey and colour files of the same picture are copies; pictures of other sizes are not.
  facts.sha256[i] = hashlib.sha256(f'{image.size}'.encode() + values.tobytes()).digest()
  facts.deviation[i] = values.std(axis=(0, 1)).max()
  facts.grey[i] = np.asarray(image.convert('L').resize((GREY_SIDE, GREY_SIDE), squares.RESIZE))
  facts.colour[i] = np.asarray(rgb.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX))
