"""Penalties by name."""

from collections.abc import Mapping

from gengan.core import ArgumentError, ScalarOrSchedule
from gengan.terms.gradients import gradient_penalty, r1, r2
from gengan.terms.term import Term, check_weight

PENALTIES = {'r1': r1, 'r2': r2, 'gradient_penalty': gradient_penalty}


def penalties(settings: Mapping[str, ScalarOrSchedule]) -> dict[str, Term]:
  """The penalties on D that are switched on.

  Args:
    settings: strength by name, for instance `{'r1': 10.0, 'gradient_penalty': 0.0}`; 0 is off.

  Raises:
    ArgumentError: an unknown name, or a strength that is not a finite number >= 0.
  """
  for name, strength in settings.items():
    if name not in PENALTIES:
      raise ArgumentError(name, strength, f'left out: the penalties are {", ".join(PENALTIES)}')
    check_weight(name, strength)
  return {name: PENALTIES[name](strength) for name, strength in settings.items() if callable(strength) or strength > 0}
