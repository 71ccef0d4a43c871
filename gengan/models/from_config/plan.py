"""The phases of a GAN's train step as a config says: which terms are on, whose they are, and how often they come."""

from collections.abc import Callable, Sequence
from functools import partial

from flax import linen as nn
from ml_collections import ConfigDict

from gengan import augment, losses, terms
from gengan import gan as gans
from gengan.config import fields
from gengan.config.errors import ConfigError, reading
from gengan.core import ArgumentError, ScalarOrSchedule
from gengan.models.from_config.numbers import gradient, of_number

Terms = dict[str, terms.Term]


def of_config(
  config: ConfigDict, generator: nn.Module, alternating: Callable[..., Sequence[gans.Phase]], axis_name: str | None
) -> tuple[gans.Phase, ...]:
  """The phases that `alternating` gives, with every term of the config in the phases of its player.

  A term with an interval above 1 comes in a phase of its own after the player's last one, with those of the same
  interval. There it counts for all the updates that it has not been in.

  Raises:
    ConfigError: a field that cannot work.
  """
  of_d, of_g = (_of_player(config, player, generator, axis_name) for player in ('discriminator', 'generator'))
  with reading():
    loss = losses.gan_loss(config.loss)
    how = gradient(config, updates=config.d_steps_per_g_step)
    now = _at_interval(config, of_d, 1)
    phases = alternating(loss, penalties=now, d_steps_per_g_step=config.d_steps_per_g_step, gradient=how)
  added = _at_interval(config, of_g, 1) | _top_k(config, loss, axis_name)
  is_usual = lambda phase: phase.player == 'generator' and phase.every == 1
  phases = [phase._replace(terms={**phase.terms, **added}) if is_usual(phase) else phase for phase in phases]
  for player, found in (('discriminator', of_d), ('generator', of_g)):
    phases = _with_lazy(config, phases, player, found)
  return tuple(phases)


def updates_a_step(phases: Sequence[gans.Phase], player: str) -> tuple[int, float]:
  """How many updates a player has in a train step: usual ones, and on average lazy ones."""
  every = [phase.every for phase in phases if phase.player == player]
  return every.count(1), sum(1 / interval for interval in every if interval > 1)


def _of_player(config: ConfigDict, player: str, generator: nn.Module, axis_name: str | None) -> Terms:
  """The terms that are on, by name."""
  makers = {'discriminator': _of_discriminator(config, axis_name), 'generator': _of_generator(generator)}
  known = {name for found in makers.values() for name in found}
  has_classifier = config.model.get('d_label') == 'auxiliary' and config.model.conditional
  made = {}
  for name in config.terms:
    if name not in known:
      raise ConfigError(f'terms.{name}', config.terms[name], f'left out: the terms are {", ".join(sorted(known))}')
    if name in makers[player] and (has_classifier or not name.endswith('classification')):
      strength = of_number(config, f'terms.{name}', partial(_checked, name))
      if callable(strength) or strength > 0:
        with reading('terms'):
          made[name] = makers[player][name](strength)
  return made


def _checked(name: str, strength: ScalarOrSchedule) -> ScalarOrSchedule:
  with reading('terms'):
    terms.check_weight(name, strength)
  return strength


def _of_discriminator(config: ConfigDict, axis_name: str | None) -> dict[str, Callable[[ScalarOrSchedule], terms.Term]]:
  names = config.get('consistency_augment', '')
  try:
    transform = augment.policy(names, axis_name=axis_name)
  except ArgumentError as error:
    raise ConfigError('consistency_augment', names, error.allowed) from error
  sigma = config.get('finite_difference', 0.0)
  with reading():
    terms.check_weight('finite_difference', sigma)
  return {
    'r1': partial(terms.r1, finite_difference=sigma),
    'r2': partial(terms.r2, finite_difference=sigma),
    'gradient_penalty': terms.gradient_penalty,
    'dragan': terms.dragan,
    'consistency': partial(terms.consistency, transform=transform),
    'balanced_consistency': partial(terms.balanced_consistency, transform=transform),
    'lecam': terms.lecam,
    'redrawing': terms.redrawing,
    'd_classification': terms.classification,
  }


def _of_generator(generator: nn.Module) -> dict[str, Callable[[ScalarOrSchedule], terms.Term]]:
  def path_length(weight: ScalarOrSchedule) -> terms.Term:
    if not all(hasattr(generator, method) for method in ('mapping', 'synthesis')):
      raise ArgumentError('path_length', weight, '0', why='for this generator has no methods mapping and synthesis')
    return terms.path_length(weight, mapping='styles' if hasattr(generator, 'styles') else 'mapping')

  return {
    'g_classification': partial(terms.classification, player='generator'),
    'orthogonal': terms.orthogonal,
    'feature_matching': terms.feature_matching,
    'path_length': path_length,
  }


def _top_k(config: ConfigDict, loss: losses.GanLoss, axis_name: str | None) -> Terms:
  """The adversarial term of G where it is over its best images alone."""
  if config.get('top_k', 1.0) == 1:
    return {}
  if config.loss == 'relativistic_average':
    beside = {'loss': config.loss}
    raise ConfigError('top_k', config.top_k, '1', why='whose averages are over all images', beside=beside)

  def make(fraction: ScalarOrSchedule) -> terms.Term:
    if not callable(fraction) and not 0 < fraction <= 1:
      raise ConfigError('top_k', fraction, 'above 0 and at most 1')
    return terms.top_k_generator_loss(loss, fraction)

  return {'adversarial': of_number(config, 'top_k', make)}


def _at_interval(config: ConfigDict, found: Terms, every: int) -> Terms:
  return {name: term for name, term in found.items() if _interval(config, name) == every}


def _interval(config: ConfigDict, name: str) -> int:
  every = config.get('lazy', {}).get(name, 1)
  if not fields.is_whole(every) or every < 1:
    raise ConfigError(f'lazy.{name}', every, 'a whole number of at least 1 (1: at every step)')
  return every


def _with_lazy(config: ConfigDict, phases: Sequence[gans.Phase], player: str, found: Terms) -> list[gans.Phase]:
  usual, _ = updates_a_step(phases, player)
  last = max(number for number, phase in enumerate(phases) if phase.player == player)
  lazy = []
  for every in sorted({_interval(config, name) for name in found} - {1}):
    counted = {name: terms.scaled(term, usual) for name, term in _at_interval(config, found, every).items()}
    lazy.append(phases[last]._replace(terms=counted, every=every, fresh=True))
  return [*phases[: last + 1], *lazy, *phases[last + 1 :]]
