"""Which operations are applied, and how often: always, with a scheduled probability, or with one that adapts (ADA)."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gengan import core
from gengan.augment import ada, operations
from gengan.core import ArgumentError, PyTree, ScalarOrSchedule

POLICIES = {
  'color': operations.color,
  'translation': operations.translation,
  'cutout': operations.hole,
  'flip': operations.flip,
  'noise': operations.noise,
}


class Augment(NamedTuple):
  """What is put before D for real and generated images in both updates."""

  apply: Callable[[jax.Array, jax.Array, PyTree, jax.Array], jax.Array]  # (images [N, H, W, C], key, memory, step)
  init: Callable[[], PyTree] = dict  # -> memory, scalars by name
  # After each update of D, from E sign(D(x)) over the real images that it saw and their number: the new memory.
  update: Callable[[PyTree, jax.Array, int], PyTree] = lambda memory, sureness, images: memory


def policy(
  names: str, *, axis_name: str | None = None
) -> Callable[[jax.Array, jax.Array, jax.Array | float], jax.Array]:
  """The operations that a text names.

  Args:
    names: any of `POLICIES`, of the groups of ADA (`ada.GROUPS`), 'ada' and 'ada_all', separated by commas, in that
      order; '': none. 'cutout*0.5' comes half as often as the rest.
    axis_name: the pmap axis over which the batch is cut, so that every device draws for its own rows.

  Returns:
    `(images [N, H, W, C], key, probability=1.0) -> images`; every row is augmented on its own, and each operation is
    left out with the rest of the probability; in a group of ADA each of its transformations is.

  Raises:
    ArgumentError: an unknown name, or a factor outside (0, 1].
  """
  chosen = parts(names)

  def augment(images: jax.Array, key: jax.Array, probability: jax.Array | float = 1.0) -> jax.Array:
    for number, (name, factor) in enumerate(chosen):
      part_key, chance = jax.random.fold_in(key, number), probability * factor
      if name in ada.GROUPS:
        images = ada.GROUPS[name](images, part_key, chance, axis_name=axis_name)
        continue
      changed = POLICIES[name](images, part_key, axis_name=axis_name)
      if isinstance(chance, (int, float)) and chance == 1:
        images = changed
        continue
      draw = lambda rows, key=part_key: jax.random.uniform(jax.random.fold_in(key, 1), (rows, 1, 1, 1))
      images = jnp.where(core.local_rows(draw, len(images), axis_name) < chance, changed, images)
    return images

  return augment


def parts(names: str) -> list[tuple[str, float]]:
  """The single operations and groups that a text names, each with its factor of the probability; see `policy`.

  >>> parts('ada,cutout*0.5')
  [('ada_blit', 1.0), ('ada_geometric', 1.0), ('ada_color', 1.0), ('cutout', 0.5)]
  """
  found = []
  for part in filter(None, (part.strip() for part in names.split(','))):
    name, _, factor = (piece.strip() for piece in part.partition('*'))
    if name not in (*POLICIES, *ada.GROUPS, *ada.SETS):
      known = ', '.join((*POLICIES, *ada.SETS, *ada.GROUPS))
      raise ArgumentError('augment', names, f'some of {known}, or empty for none')
    try:
      often = float(factor or 1)
    except ValueError:
      often = 0.0
    if not 0 < often <= 1:
      raise ArgumentError('augment', names, f"a factor above 0 and at most 1, as in '{name}*0.5'")
    found += [(member, often) for member in ada.SETS.get(name, (name,))]
  return found


none = Augment(lambda images, key, memory, step: images)
"""No augmentation."""


def fixed(names: str, *, probability: ScalarOrSchedule = 1.0, axis_name: str | None = None) -> Augment:
  """A policy whose operations are each applied with a probability, given or scheduled.

  Raises:
    ArgumentError: an unknown name, or a probability outside [0, 1].
  """
  if not callable(probability) and not 0 <= probability <= 1:
    raise ArgumentError('augment_probability', probability, 'from 0 to 1')
  apply = policy(names, axis_name=axis_name)
  return Augment(lambda images, key, memory, step: apply(images, key, core.value_at(probability, step)))


def adaptive(names: str, *, target: float = 0.6, kimg: float = 500.0, axis_name: str | None = None) -> Augment:
  """A policy whose probability rises while D is too sure of real images and falls while it is not (ADA).

  r = E sign(D(x)) over the real images of an update (Karras et al. 2020, "Training GANs with limited data", eq. 1 on
  the right); the probability moves towards more where r is above the target and towards less where it is below.

  Args:
    names: as in `policy`.
    target: of r; 0.6 in the paper.
    kimg: thousands of images in which the probability can go from 0 to 1; 500 in the paper.
    axis_name: as in `policy`.

  Raises:
    ArgumentError: an unknown name, a target outside (0, 1), or kimg that is not positive.
  """
  if not 0 < target < 1:
    raise ArgumentError('ada_target', target, 'above 0 and below 1')
  if not kimg > 0:
    raise ArgumentError('ada_kimg', kimg, 'above 0')
  apply = policy(names, axis_name=axis_name)

  def update(memory: PyTree, sureness: jax.Array, images: int) -> PyTree:
    sureness = core.pmean(sureness, axis_name)
    moved = memory['probability'] + jnp.sign(sureness - target) * images / (1000.0 * kimg)
    return {'probability': jnp.clip(moved, 0.0, 1.0)}

  return Augment(
    lambda images, key, memory, step: apply(images, key, memory['probability']),
    lambda: {'probability': jnp.zeros((), jnp.float32)},
    update,
  )
