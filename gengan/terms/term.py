"""What a term is, what it may read, and how several are added up."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from gengan import core
from gengan.core import ArgumentError, ScalarOrSchedule

Critic = Callable[[jax.Array], jax.Array]  # images [N, ...] -> logits [N]


class Context(NamedTuple):
  """What a term may read, all of it during the pass of one player."""

  step: jax.Array  # train steps done
  batch: core.Batch  # real images and labels, this phase's share
  params: core.PyTree = None  # of the player
  latents: jax.Array | None = None  # z of the generated images
  labels: jax.Array | None = None  # of the generated images
  samples: jax.Array | None = None  # the generated images themselves
  real: jax.Array | None = None  # real images as D sees them, augmented
  fake: jax.Array | None = None  # generated images as D sees them, augmented
  real_output: Any = (
    None  # what D gives for `real`: logits [N] or [N, patches], or a dict with 'logits' and what else terms read
  )
  fake_output: Any = None  # likewise for `fake`
  generate: Callable[..., Any] | None = None  # (*inputs, method=None): G in training mode, differentiable in its params
  discriminate: Callable[..., Any] | None = None  # (images, labels=None, method=None): D without augmentation
  augment: Callable[..., jax.Array] | None = None  # (images, key): the augmentation as it stands now
  key: jax.Array | None = None  # for what the terms draw
  axis_name: str | None = None  # the pmap axis over which the rows are cut

  @property
  def logits(self) -> tuple[jax.Array, jax.Array]:
    """D's logits of `real` and of `fake`."""
    return logits_of(self.real_output), logits_of(self.fake_output)


class Term(NamedTuple):
  """A part of a player's loss; its memory is a tree of arrays that lives in `State.extra`."""

  apply: Callable[[Context, core.PyTree], tuple[jax.Array, core.Metrics, core.PyTree]]  # -> (scalar, metrics, memory)
  init: Callable[[jax.Array, core.Batch], core.PyTree] = lambda key, batch: {}  # of the batch, shapes and dtypes


def logits_of(output: Any) -> jax.Array:
  """The logits in what a discriminator gives: the array itself, or 'logits' of a dict."""
  return output['logits'] if isinstance(output, Mapping) else output


def per_image(logits: jax.Array) -> jax.Array:
  """Logits [N] as they are, those of patches [N, P] as their means [N]."""
  return logits.reshape(len(logits), -1).mean(axis=1) if logits.ndim > 1 else logits


def total(
  terms: Mapping[str, Term], context: Context, memories: Mapping[str, core.PyTree]
) -> tuple[jax.Array, core.Metrics, dict[str, core.PyTree]]:
  """The sum of the losses of several terms, all their metrics, and their memories by name."""
  losses, metrics, after = [], {}, {}
  for name, term in terms.items():
    loss, found, after[name] = term.apply(context, memories[name])
    if twice := metrics.keys() & found.keys():
      raise ArgumentError('terms', list(terms), 'terms with different metrics', why=f'of which two give {min(twice)!r}')
    losses.append(loss)
    metrics |= found
  return sum(losses), metrics, after


def simple(name: str, loss: Callable[[Context], jax.Array]) -> Term:
  """A term without memory, reported under its name."""

  def apply(context: Context, memory: core.PyTree) -> tuple[jax.Array, core.Metrics, core.PyTree]:
    value = loss(context)
    return value, {name: value}, memory

  return Term(apply)


def scaled(term: Term, factor: float) -> Term:
  """The same term, counted so many times; its metrics stay what they are."""

  def apply(context: Context, memory: core.PyTree) -> tuple[jax.Array, core.Metrics, core.PyTree]:
    loss, metrics, memory = term.apply(context, memory)
    return factor * loss, metrics, memory

  return Term(apply, term.init)


def critic_of(context: Context, labels: jax.Array | None = None) -> Critic:
  """D as a function from images to logits [N], those of patches as their mean; labels as in the batch unless given."""
  return lambda images: per_image(logits_of(context.discriminate(images, labels)))


def check_weight(name: str, weight: ScalarOrSchedule) -> None:
  """Raises an ArgumentError for what is neither a schedule nor a finite number of at least 0."""
  if callable(weight):
    return
  if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < float('inf'):
    raise ArgumentError(name, weight, 'a number >= 0')
