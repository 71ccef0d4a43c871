"""A score and what it depends on, which travel together: numbers of different protocols share no table."""

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
    preprocessing: what was done to them, such as 'image_size 32, channels 1, crop'.
    num_real: real images.
    num_generated: generated images of one sample set.
    num_pairwise: images of each kind at most, in metrics that compare all pairs.
    network: of the features: 'inception', 'classifier' or 'pixels'.
    network_sha256: of its weights.
    resizer: how images reach the network's size.
    precision: of the network's arithmetic.
    labels: where the generated images' labels come from.
    seeds: of the sample sets.
    truncation: psi of the latents; 1.0 is none.
    weights: 'ema' or 'raw'.
    model_scores: one text for each score that has settings of its own: the classifier that learns from samples, the
      importance samples of a likelihood, the paths of a path length.
  """

  data_sha256: str
  split: str
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
  model_scores: tuple[str, ...] = ()

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
    deviations: by name, the standard deviation over sample sets (n - 1); missing where there was one set or where the
      number does not depend on samples.
    protocol: of all of them.
    about: what was evaluated (run, step) and findings that are no scores; not part of the protocol.
  """

  scores: Mapping[str, float]
  deviations: Mapping[str, float]
  protocol: Protocol
  about: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def to_json(self) -> str:
    """One JSON object; `from_json` is its inverse."""
    return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + '\n'

  @classmethod
  def from_json(cls, text: str) -> 'Evaluation':
    """Raises a ValueError where the text is not what `to_json` wrote."""
    try:
      content = json.loads(text)
      tuples = {name: tuple(content['protocol'].get(name, ())) for name in ('seeds', 'model_scores')}
      fields = content['protocol'] | tuples
      return cls(content['scores'], content['deviations'], Protocol(**fields), content['about'])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
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
