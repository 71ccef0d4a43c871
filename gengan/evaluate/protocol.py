"""The protocol of scores, which travels with them: numbers of different protocols share no table."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Protocol:
  """Everything that two numbers must have in common to be compared."""

  data_sha256: str  # of the source of the real images
  split: str  # the real images that were compared with: 'validation' or 'test'
  training: str  # images: how many, and a hash of which; their labels are drawn, copies are looked for among them
  preprocessing: str  # what was done to all of them
  num_real: int  # real images
  num_generated: int  # generated images of one sample set
  num_pairwise: int  # images of each kind at most, chosen at random, in metrics that compare all pairs
  network: str  # of the features: 'inception_fid', 'classifier' or 'pixels', for example
  network_sha256: str  # of its weights
  resizer: str  # how images reach the network's size
  precision: str  # of the network's arithmetic
  labels: str  # where the generated images' labels come from
  seeds: tuple[int, ...]  # one sample set each; the scores' deviations are over them
  truncation: float  # of the latents, see `core.Prior`; 1.0 is none
  weights: str  # 'averaged' or 'trained'
  settings: tuple[str, ...] = ()  # one text for each family that has settings of its own, see `family.Scores`

  def differing(self, other: 'Protocol') -> list[str]:
    """The names of the fields that are not the same."""
    names = [field.name for field in dataclasses.fields(self)]
    return [name for name in names if getattr(self, name) != getattr(other, name)]

  def differences(self, other: 'Protocol') -> list[str]:
    """One text for every field that is not the same."""
    return [f'{name} is {getattr(self, name)!r} and {getattr(other, name)!r}' for name in self.differing(other)]


@dataclasses.dataclass(frozen=True)
class Caution:
  """What a reader must know before believing some scores."""

  kind: str  # for programs: 'few_images', 'pixels', 'barely_trained', ...
  text: str  # for people, a sentence
  scores: tuple[str, ...]  # names; none: it is about all of them


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """The scores of one model, with the standard deviation (n - 1) over sample sets where there are several.

  Of likelihoods and reconstructions, which no sample enters, it is the bootstrapped standard error over real images.
  """

  scores: Mapping[str, float]  # by name, the mean over sample sets
  deviations: Mapping[str, float]  # by name
  protocol: Protocol  # of all of them
  about: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # run, step, and findings that are no scores
  real: Mapping[str, float] = dataclasses.field(default_factory=dict)  # by name, what real images get
  cautions: tuple[Caution, ...] = ()
  not_measured: Mapping[str, str] = dataclasses.field(default_factory=dict)  # families and scores, and why
  left_out: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)  # by family: classes, and why

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
      kinds = ('scores', 'deviations', 'real')
      numbers = {kind: {name: float(value) for name, value in content.get(kind, {}).items()} for kind in kinds}
      cautions = [Caution(each['kind'], each['text'], tuple(each['scores'])) for each in content.get('cautions', ())]
      notes = {name: dict(content.get(name, {})) for name in ('not_measured', 'left_out')}
      protocol = Protocol(**fields)
      return cls(**numbers, protocol=protocol, about=content['about'], cautions=tuple(cautions), **notes)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:  # JSON's own are ValueErrors
      raise ValueError(f'this is not an evaluation: {error!r}') from error


def table(evaluations: Mapping[str, Evaluation]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
  """Scores of models, by name, side by side: heads ('metric', name, ...) and a row of texts for every metric of any.

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
