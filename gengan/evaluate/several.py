"""Several feature networks in one report: all of them look at the same samples, which are drawn once."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import jax
import numpy as np
from ml_collections import ConfigDict

from gengan import data
from gengan.evaluate import feature_network, stages
from gengan.evaluate.evaluator import Evaluator, Settings
from gengan.evaluate.images import generated_batches
from gengan.evaluate.protocol import Caution, Evaluation, Protocol
from gengan.metrics import family

KEPT = 2 << 30  # bytes of samples that are held; more are drawn again for every network
OF_NETWORK = ('network', 'network_sha256', 'resizer', 'precision')  # fields of a protocol, all of them texts


class SampleSets:
  """`generated_batches` of one state, which remembers the sample sets that it drew while there is room."""

  def __init__(self, room: int = KEPT):
    self._room, self._kept = room, {}

  def __call__(self, *model, seed: int, **settings) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same arguments and batches; a seed always comes with the same ones."""
    if seed in self._kept:
      yield from self._kept[seed]
      return
    batches, room = [], self._room
    for images, labels in generated_batches(*model, seed=seed, **settings):
      room -= images.nbytes
      if room >= 0:
        batches.append((images, labels))
      yield images, labels
    if room >= 0:
      self._room, self._kept[seed] = room, batches


def families_of(wanted: Mapping[str, Sequence[str]], there: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
  """The families that each network measures; those whose scores are no network's own are measured on the first.

  Args:
    wanted: names of families by network.
    there: the needs that each network, with the model, fulfils.

  Raises:
    ArgumentError: a family that none of the networks can give.
    ValueError: a network that can give none of what is wanted of it.
  """
  family.check([name for names in wanted.values() for name in names], set().union(*there.values()))
  found, given = {}, set()
  for network, names in wanted.items():
    each = {name: family.find(name) for name in names if name not in given}
    found[network] = tuple(name for name, one in each.items() if there[network].issuperset(one.needs))
    given |= {name for name in found[network] if not each[name].by_network}
    if not found[network]:
      raise ValueError(f'there is nothing to measure on {network}: not {", ".join(names)}')
  return found


def evaluators(
  by_network: Mapping[str, Sequence[str]],
  settings: Settings,
  *,
  dataset: data.Dataset,
  config: ConfigDict,
  mesh: jax.sharding.Mesh,
  tell: stages.Tell,
  tell_training: stages.Tell | None = None,
) -> list[Evaluator]:
  """One for each network, with its families; `tell_training`, or else `tell`, hears of a classifier that is trained.

  Raises:
    ArgumentError, ValueError: see `make_network` and `Evaluator`.
  """
  found = []
  for name, families in by_network.items():
    network = feature_network.make_network(name, dataset, config, tell=tell_training or tell)
    own = dataclasses.replace(settings, families=tuple(families))
    found.append(Evaluator(own, network=network, dataset=dataset, config=config, mesh=mesh, tell=tell))
  return found


def joined_protocol(protocols: Sequence[Protocol]) -> Protocol:
  """That of several networks, otherwise alike: 'classifier, efficientnet_lite0'."""
  first, *others = protocols
  if not others:
    return first
  fields = {name: ', '.join(getattr(each, name) for each in protocols) for name in OF_NETWORK}
  settings = tuple(sorted({setting for each in protocols for setting in each.settings}))
  return dataclasses.replace(first, **fields, settings=settings)


def joined(evaluations: Sequence[Evaluation]) -> Evaluation:
  """One report of all scores; what could not be measured is named with its network."""
  first, *others = evaluations
  if not others:
    return first
  union = lambda field: {name: value for each in evaluations for name, value in getattr(each, field).items()}
  about = {
    **first.about,
    'features': {each.protocol.network: each.about['features'] for each in evaluations},
    'by_class': {name: values for each in evaluations for name, values in each.about.get('by_class', {}).items()},
  }
  return Evaluation(
    **{field: union(field) for field in ('scores', 'deviations', 'real', 'left_out')},
    protocol=joined_protocol([each.protocol for each in evaluations]),
    about=about,
    cautions=_cautions(evaluations),
    not_measured={
      f'{name} on {each.protocol.network}': why for each in evaluations for name, why in each.not_measured.items()
    },
  )


def _cautions(evaluations: Sequence[Evaluation]) -> tuple[Caution, ...]:
  """One for each sentence, with the scores of all networks."""
  scores = {}
  for each in evaluations:
    for caution in each.cautions:
      scores.setdefault((caution.kind, caution.text), {}).update(dict.fromkeys(caution.scores))
  return tuple(Caution(kind, text, tuple(names)) for (kind, text), names in scores.items())
