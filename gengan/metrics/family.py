"""Families of scores: what one is, what it may read, and how it is found by its name."""

import difflib
import importlib
import os
import pkgutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gengan import core
from gengan.metrics.features import Features
from gengan.networks.network import Network

# What a family may need of the model or the network, in the words of the message that refuses it.
CONDITIONAL = 'a class-conditional model'
CLASSES = 'a network that classifies: classifier, efficientnet_lite0, or inception with its file'
OWN_CLASSES = 'the network that knows the labels of this data: classifier'
FLOAT_LATENTS = 'a model whose latents are numbers, not codes'


def evaluated(name: str) -> str:
  """The need for a value that `Algorithm.eval_step` gives under this name."""
  return f'a model whose eval_step gives {name}'


class Model(NamedTuple):
  """The model itself, its data and its devices, for families that ask more than samples.

  Attributes:
    algorithm, state: of the run; the state lies on all devices.
    compiled: from a function to the same one under jit, whose outputs the host can read whole.
    batches: every held-out image once, as pairs of a batch and its mask [B], False where the last one is padded.
    images: the same images [N, H, W, C] uint8, and labels [N].
    draw: from labels [N] and a seed to generated images [N, H, W, C] uint8.
    train_classifier: from uint8 images, labels and a seed to a classifier (images -> probabilities, features), which
      never learns from the images that the score is of.
    classifier_setting: in words, how that one is trained.
    num_classes: of the data, where the model is asked for one; 0: it is unconditional.
    trained_labels: those that training images bear, ascending; there may be fewer. (0,) where it is unconditional.
    num_train: training images.
    settings: `config.model`.
  """

  algorithm: core.Algorithm
  state: core.State
  compiled: Callable[[Callable], Callable]
  batches: Callable[[], Iterator[tuple[core.Batch, np.ndarray]]]
  images: Callable[[], tuple[np.ndarray, np.ndarray]]
  draw: Callable[[np.ndarray, int], np.ndarray]
  train_classifier: Callable[[np.ndarray, np.ndarray, int], Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]]
  classifier_setting: str
  num_classes: int
  trained_labels: tuple[int, ...]
  num_train: int
  settings: Mapping[str, Any]


class Inputs(NamedTuple):
  """What a family may read to measure one sample set."""

  features: Callable[[str], Features]  # of 'real', 'train' or 'generated' images, computed when first asked for
  network: Network  # that gave them
  seed: int = 0  # of the sample set, and of whatever a family draws
  model: Model | None = None  # what drew it

  @property
  def real(self) -> Features:
    """Of held-out images."""
    return self.features('real')

  @property
  def train(self) -> Features:
    """Of training images, of which samples may be copies."""
    return self.features('train')

  @property
  def generated(self) -> Features:
    """Of the sample set."""
    return self.features('generated')


class Scores(NamedTuple):
  """What a family measured on one sample set."""

  values: Mapping[str, float]  # by name
  by_class: Mapping[str, Mapping[int, float]] = {}  # by name, a value by label; a score may be their mean
  errors: Mapping[str, float] = {}  # standard errors by name, of a family that is measured once
  real: Mapping[str, float] = {}  # by name, what real images get, where the family knows without more ado
  left_out: Mapping[int | str, str] = {}  # labels that could not be judged and scores that could not be given, and why
  setting: str = ''  # in words, what the values depend on beside all that is the same for every family


class Meaning(NamedTuple):
  """What a score says, for people."""

  better: str  # 'higher', 'lower', the best value such as '0.5', or '' where none is better
  text: str  # one line


class Images(NamedTuple):
  """Which images a family looks at, and how many it takes."""

  of: str = 'pairs'  # held-out ones and samples: 'all', or `num_pairwise` of each; or 'held_out', 'samples' or 'none'
  least: int = 2  # of each kind, below which nothing can be measured
  of_class: int = 0  # of each kind, below which a class is left out; 0: classes do not matter
  enough: int = 0  # of each kind (of a class, where classes matter), below which scores carry a caution
  few: str = ''  # that caution: one sentence that goes on after 'N images are few: '


class Family(NamedTuple):
  """Scores that are asked for by one name: the module's, which defines this as FAMILY."""

  measure: Callable[[Inputs], Scores]
  names: Mapping[str, Meaning]  # how the names of its scores begin, whatever the network, and what each says
  needs: tuple[str, ...] = ()  # of CONDITIONAL, CLASSES, OWN_CLASSES, FLOAT_LATENTS and `evaluated(name)`
  once: bool = False  # measured with the first seed alone, because no sample enters
  images: Images = Images()
  reference: bool = False  # whether training images in place of the samples tell what real ones get
  by_network: bool = True  # whether its scores are those of a network, and differ from one to the next


def find(name: str) -> Family:
  """The family of that name.

  Args:
    name: of a module of `gengan.metrics`, such as 'frechet', or the import path of any other, 'my_package.my_metric'.

  Raises:
    ArgumentError: there is no such module, or it has no FAMILY.
  """
  path = name if '.' in name else f'gengan.metrics.{name}'
  try:
    family = (
      getattr(importlib.import_module(path), 'FAMILY', None)
      if all(part.isidentifier() for part in path.split('.'))
      else None
    )
  except ModuleNotFoundError as error:
    if error.name and not f'{path}.'.startswith(f'{error.name}.'):  # the module is there, and imports what is not
      raise core.ArgumentError('metrics', name, _allowed(), why=f'whose import fails: {error}') from error
    family = None
  if not isinstance(family, Family):
    raise core.ArgumentError('metrics', name, _allowed(), why=_nearest(name))
  return family


def known() -> dict[str, Family]:
  """The families of `gengan.metrics` by name."""
  names = [module.name for module in pkgutil.iter_modules([os.path.dirname(__file__)])]
  modules = {name: importlib.import_module(f'gengan.metrics.{name}') for name in names}
  return {name: module.FAMILY for name, module in modules.items() if hasattr(module, 'FAMILY')}


def check(names: Sequence[str], there: Collection[str], *, model: bool = True) -> None:
  """Refuses what cannot be measured, before anything is.

  Args:
    names: of families.
    there: the needs that this network and this model fulfil.
    model: whether the model is known; without one, only what the network and the config fulfil is asked for.

  Raises:
    ArgumentError: names the first family that does not exist, or what it lacks.
  """
  for name in names:
    for need in find(name).needs:
      if need not in there and (model or need in (CONDITIONAL, CLASSES, OWN_CLASSES)):
        possible = [other for other, each in known().items() if set(each.needs) <= set(there)]
        allowed = f'some of {", ".join(possible)} for this model and network'
        raise core.ArgumentError('metrics', name, allowed, why=f'but {name} needs {need}')


def meaning(score: str, families: Iterable[Family]) -> Meaning:
  """What a score of one of these families says, by its whole name; the longest beginning counts."""
  fitting = {start: said for each in families for start, said in each.names.items() if score.startswith(start)}
  return fitting[max(fitting, key=len)] if fitting else Meaning('', '')


def scores_of(scores: Iterable[str], families: Mapping[str, Family]) -> dict[str, tuple[str, ...]]:
  """Those of the scores that each family, by its name, gives."""
  owner = {start: name for name, each in families.items() for start in each.names}
  found = {name: [] for name in families}
  for score in scores:
    if fitting := [start for start in owner if score.startswith(start)]:
      found[owner[max(fitting, key=len)]].append(score)
  return {name: tuple(own) for name, own in found.items()}


def name_on(network: Network, published: str, general: str) -> str:
  """The published name for the published network alone; with another resizer it says so, with another network too."""
  if network.name != 'inception_fid':
    return f'{general}_{network.name}'
  return published if network.resizer == 'tensorflow' else f'{network.resizer}_{published}'


def _nearest(name: str) -> str:
  """What whoever wrote this may have meant."""
  families = known()
  owners = {start.rstrip('_'): family for family, each in families.items() for start in each.names}
  if found := {family for start, family in owners.items() if f'{name}_'.startswith(f'{start}_')}:
    return f'which is a score of {" and ".join(sorted(found))}'
  owners |= {family: family for family in families}
  begin_alike = [family for family in families if name.lower().startswith(family)]
  close = sorted(begin_alike, key=len)[-1:] or difflib.get_close_matches(name.lower(), owners, n=1)
  if '.' in name:
    return 'but there is no such module with a FAMILY'
  if not close:
    return ''
  return f'and nearest is {close[0]}' + ('' if close[0] in families else f', a score of {owners[close[0]]}')


def _allowed() -> str:
  return f'some of {", ".join(known())}, or the import path of a module with a FAMILY'
