"""The phases of a train step: whose parameters an update moves, and which terms make its loss."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax

from gengan import terms
from gengan.core import ArgumentError
from gengan.losses import GanLoss
from gengan.optimizers import Gradient

PLAYERS = ('generator', 'discriminator')


class Phase(NamedTuple):
  """One update of one player.

  Attributes:
    player: 'generator' or 'discriminator', whose parameters it moves.
    terms: what is added up to the loss, by name.
    every: 16: it happens at steps 0, 16, 32, ..., with its losses times 16 (lazy regularization; Karras et al. 2020,
      appendix B). A lazy phase moves parameters and memories, but no batch statistics; its metrics are those of
      the last time that it happened.
    gradient: how the gradient is taken, see `gengan.optimizers`; None: at once, and G's passes are shared with D's.
    share: which of the batch's equal shares it reads; there are as many as the largest number here says.
    fresh: it draws new latents; otherwise it goes on with the generated images of the phase before.
  """

  player: str
  terms: Mapping[str, terms.Term]
  every: int = 1
  gradient: Gradient | None = None
  share: int = 0
  fresh: bool = True


def alternating(
  loss: GanLoss,
  *,
  penalties: Mapping[str, terms.Term] | None = None,
  d_steps_per_g_step: int = 1,
  gradient: Gradient | None = None,
) -> tuple[Phase, ...]:
  """The alternating updates of Goodfellow et al. (2014, algorithm 1).

  Each update of D sees its own share of the batch with fresh samples; then G is updated once, through the updated D, on
  the samples of the last of them.

  Args:
    loss: see `gengan.losses`.
    penalties: terms that are added to D's loss.
    d_steps_per_g_step: updates of D for one of G. The batch size must be divisible by it.
    gradient: of all phases.

  Raises:
    ArgumentError: d_steps_per_g_step below 1.

  >>> from gengan import losses
  >>> [phase.player for phase in alternating(losses.hinge, d_steps_per_g_step=2)]
  ['discriminator', 'discriminator', 'generator']
  """
  if d_steps_per_g_step < 1:
    raise ArgumentError('d_steps_per_g_step', d_steps_per_g_step, 'at least 1')
  of_d = {'adversarial': terms.discriminator_loss(loss), **(penalties or {})}
  of_g = {'adversarial': terms.generator_loss(loss)}
  updates = [Phase('discriminator', of_d, gradient=gradient, share=i) for i in range(d_steps_per_g_step)]
  return *updates, Phase('generator', of_g, gradient=gradient, share=d_steps_per_g_step - 1, fresh=False)


def uniform_labels(num_classes: int) -> Callable[[jax.Array, int], jax.Array]:
  """Labels of generated images drawn apart from the real ones, every class alike (Brock et al. 2019)."""
  return lambda key, rows: jax.random.randint(key, (rows,), 0, max(num_classes, 1))


def check(phases: Sequence[Phase]) -> None:
  players = [phase.player for phase in phases]
  if sorted(set(players)) != sorted(PLAYERS):
    raise ArgumentError('phases', players, f'updates of {" and ".join(PLAYERS)}')
  handed_on, stale = False, False  # whether there are samples to hand on, and G has moved since they were drawn
  for phase in phases:
    if not phase.terms:
      raise ArgumentError('terms', {}, 'one term or more')
    if phase.share < 0:
      raise ArgumentError('share', phase.share, 'at least 0')
    if phase.every < 1:
      raise ArgumentError('every', phase.every, 'at least 1')
    if not phase.fresh and (phase.every > 1 or not handed_on):
      raise ArgumentError('fresh', False, 'True', why='but no phase before has samples that this one could go on with')
    is_g = phase.player == 'generator'
    if not phase.fresh and is_g and stale:
      raise ArgumentError('fresh', False, 'True', why='but G has moved since the samples were drawn')
    handed_on = handed_on or phase.every == 1
    stale = is_g or (stale and not (phase.fresh and phase.every == 1))
