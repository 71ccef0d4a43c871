"""The protocol of scores, which travels with them: numbers of different protocols share no table."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Protocol:
  """Everything that two numbers must have in common to be compared.

  Attributes:
    data_sha256: of the source of the real images.
    split: the real images that were compared with: 'validation' or 'test'.
    training: the images that the model was trained on: how many, and a hash of which. Labels are drawn as they have
      them, and copies are looked for among them.
    preprocessing: what was done to all of them.
    num_real: real images.
    num_generated: generated images of one sample set.
    num_pairwise: images of each kind at most, chosen at random, in metrics that compare all pairs.
    network: of the features: 'inception', 'classifier' or 'pixels'.
    network_sha256: of its weights.
    resizer: how images reach the network's size.
    precision: of the network's arithmetic.
    labels: where the generated images' labels come from.
    seeds: of the sample sets.
    truncation: psi of the latents; 1.0 is none.
    weights: 'averaged' or 'trained'.
    settings: one text for each family that has settings of its own: the classifier that learns from samples, the
      importance samples of a likelihood, the paths of a path length.
  """

  data_sha256: str
  split: str
  training: str
  preprocessing: str
  num_real: int
  num_generated: int
  num_pairwise: int
  network: str
  network_sha256: str
  resizer: str
  precision: str
  labels: str
  seeds: tuple[int, ...]
  truncation: float
  weights: str
  settings: tuple[str, ...] = ()

  def differences(self, other: 'Protocol') -> list[str]:
    """One text for every field that is not the same."""
    return [
      f'{field.name} is {getattr(self, field.name)!r} and {getattr(other, field.name)!r}'
      for field in dataclasses.fields(self)
      if getattr(self, field.name) != getattr(other, field.name)
    ]


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """The scores of one model.

  Attributes:
    scores: by name, the mean over sample sets.
    deviations: by name, the standard deviation over sample sets (n - 1), missing where there was one set; of
      likelihoods and reconstructions, which no sample enters, the bootstrapped standard error over held-out images.
    protocol: of all of them.
    about: what was evaluated (run, step) and findings that are no scores; not part of the protocol.
  """

  scores: Mapping[str, float]
  deviations: Mapping[str, float]
  protocol: Protocol
  about: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def to_json(self) -> str:
    """One JSON object; `from_json` is its inverse."""
    return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True, allow_nan=False) + '\n'

  @classmethod
  def from_json(cls, text: str) -> 'Evaluation':
    """Raises a ValueError where the text is not what `to_json` wrote."""
    try:
      content = json.loads(text)
      fields = dict(content['protocol'])
      fields |= {name: tuple(fields.get(name, ())) for name in ('seeds', 'settings')}
      numbers = [{name: float(value) for name, value in content[kind].items()} for kind in ('scores', 'deviations')]
      return cls(*numbers, Protocol(**fields), content['about'])
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # a JSONDecodeError is a ValueError
      raise ValueError(f'this is not an evaluation: {error!r}') from error


def table(evaluations: Mapping[str, Evaluation]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
  """Scores of several models side by side.

  Args:
    evaluations: by the model's name; two or more, or one.

  Returns:
    The heads ('metric', name, ...) and one row of texts a metric that any of them has.

  Raises:
    ValueError: nothing to show, or two protocols; names every difference.
  """
  if not evaluations:
    raise ValueError('there is no evaluation to put in a table')
  (first_name, first), *others = evaluations.items()
  for name, other in others:
    if differences := first.protocol.differences(other.protocol):
      raise ValueError(f'{first_name} and {name} cannot stand in one table: {"; ".join(differences)}')
  names = sorted({name for evaluation in evaluations.values() for name in evaluation.scores})
  rows = [(name, *(cell(evaluation, name) for evaluation in evaluations.values())) for name in names]
  return ('metric', *evaluations), rows


def cell(evaluation: Evaluation, name: str) -> str:
  """'12.34 ± 0.05', with four significant digits; '-' where it was not measured."""
  if name not in evaluation.scores:
    return '-'
  deviation = evaluation.deviations.get(name)
  return f'{evaluation.scores[name]:.4g}' + (f' ± {deviation:.2g}' if deviation is not None else '')


def as_text(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """A table for a terminal, its columns aligned."""
  lines = [heads, *rows]
  widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
  return '\n'.join(
    '  '.join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
  )
