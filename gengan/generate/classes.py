"""Which classes a run can be asked for; told from small files, before JAX is imported."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from gengan.config import recipes


def in_turn(
  config: ConfigDict, facts: Mapping[str, Any], wanted: Sequence[int], *, flags: Sequence[str]
) -> tuple[int, ...]:
  """The classes that slots are given in turn; none where the model is unconditional.

  Args:
    config: of the run.
    facts: of its data, see `config.load_dataset_facts`.
    wanted: classes; none: all of which the model has seen an image.
    flags: of the command that need classes.

  Raises:
    ValueError: the model has no classes, or not this one, or has never seen an image of it.
  """
  names, seen = facts['class_names'], facts.get('train_by_class')
  if not recipes.classes(config):
    if flags:
      raise ValueError(f'--{flags[0]} needs classes, and this run is of an unconditional model')
    return ()
  if outside := [label for label in wanted if not 0 <= label < len(names)]:
    raise ValueError(f'--labels has {outside[0]}; the classes of this run are 0 to {len(names) - 1}')
  known = [label for label in range(len(names)) if seen is None or seen[label]]
  if unknown := [label for label in wanted if label not in known]:
    name = names[unknown[0]]
    raise ValueError(f'--labels has {unknown[0]} ({name!r}), a class of which the run was trained on no image')
  return tuple(wanted or known)
