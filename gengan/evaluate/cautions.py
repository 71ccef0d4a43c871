"""Cautions that go with scores: too few images, grey levels as features, a model that has hardly been trained."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gengan.evaluate.protocol import Caution, Evaluation, Protocol
from gengan.metrics.family import Family, scores_of

PIXELS = ('pixels', 'pca')
BARELY = 50.0  # thousand images: GANs that were given 26 drew blobs, and those of configs/ are given 64 or more
COPIES = -3.0  # z of the data-copying test, which is N(0, 1) without copying: one in a thousand is below
GENERATED = (2048, 10_000)  # samples of a set by default, at least and at most: as many as there are held-out images


def samples_of_protocol(num_real: int) -> int:
  """How many samples a set has where nothing else is asked for."""
  return min(max(num_real, GENERATED[0]), GENERATED[1])


def cautions(evaluation: Evaluation, families: Mapping[str, Family]) -> tuple[Caution, ...]:
  """What a reader must know before believing the scores.

  Args:
    evaluation: with `about`: 'kimg', 'step', 'num_steps', 'features' and 'fewest_of_class': the held-out images of the
      smallest class that has at least so many, by that number ('2') for each `Images.of_class`.
    families: those asked for, by name.
  """
  given = {name: scores for name, scores in scores_of(evaluation.scores, families).items() if scores}
  found = [
    *_few(evaluation, families, given),
    *_dimensions(evaluation, given.get('frechet', ())),
    *_small_sets(evaluation.protocol, families, given),
    *_network(evaluation.protocol, evaluation.scores),
    *_copies(evaluation.scores),
    *_training(evaluation.about),
  ]
  if evaluation.protocol.split == 'validation':
    text = 'these are validation scores, which may have steered the training; report those of the test split'
    found.append(Caution('validation', text, ()))
  return tuple(found)


def _few(
  evaluation: Evaluation, families: Mapping[str, Family], given: Mapping[str, tuple[str, ...]]
) -> Iterator[Caution]:
  """One a sentence, whichever families share it."""
  protocol, by_text = evaluation.protocol, {}
  for name, scores in given.items():
    wanted = families[name].images
    fewest = _fewest(protocol, wanted.of)
    where = ''
    if fewest is not None and wanted.of_class:
      by_least = evaluation.about.get('fewest_of_class', {})
      fewest, where = min(fewest, by_least.get(str(wanted.of_class), fewest)), ' of a class'
    if fewest is not None and fewest < wanted.enough:
      images = f'{fewest:,} image{"s" * (fewest > 1)}{where} {"are" if fewest > 1 else "is"} few'
      by_text.setdefault(f'{images} (below {wanted.enough:,}): {wanted.few}', []).extend(scores)
  for text, scores in by_text.items():
    yield Caution('few_images', text, tuple(scores))


def _fewest(protocol: Protocol, of: str) -> int | None:
  """Images of the smaller kind that a family was given, see `Images.of`."""
  both = min(protocol.num_real, protocol.num_generated)
  kinds = {'all': both, 'pairs': min(both, protocol.num_pairwise), 'held_out': protocol.num_real}
  return kinds.get(of, protocol.num_generated if of == 'samples' else None)


def _dimensions(evaluation: Evaluation, scores: tuple[str, ...]) -> Iterator[Caution]:
  fewest, size = _fewest(evaluation.protocol, 'all'), evaluation.about.get('features', 0)
  if scores and fewest <= size:
    text = f'{fewest:,} images are no more than the {size:,} features, so no covariance has full rank'
    yield Caution('few_for_dimensions', f'{text}: the distance is dominated by their number', scores)


def _small_sets(
  protocol: Protocol, families: Mapping[str, Family], given: Mapping[str, tuple[str, ...]]
) -> Iterator[Caution]:
  usual = samples_of_protocol(protocol.num_real)
  of_samples = [name for name in given if families[name].images.of in ('all', 'pairs', 'samples')]
  scores = tuple(score for name in of_samples for score in given[name])
  if protocol.num_generated < usual and scores:
    text = f'sets of {protocol.num_generated:,} samples are smaller than the usual {usual:,} (--num)'
    yield Caution('small_sets', f'{text}; compare only with scores of sets as small', scores)


def _network(protocol: Protocol, scores: Iterable[str]) -> Iterator[Caution]:
  named = tuple(name for name in scores if name.endswith(f'_{protocol.network}'))
  if protocol.network in PIXELS and named:
    text = (
      'grey levels of at most 16 x 16 pixels do not see what people see: averages of a few real images score better '
      'than real ones do; look at the samples, and judge by --network=classifier or inception:FILE'
    )
    yield Caution('pixels', text, named)


def _copies(scores: Mapping[str, float]) -> Iterator[Caution]:
  for name, z in scores.items():
    if name.startswith('data_copying_z') and z < COPIES:
      text = f'the data-copying test gives z = {z:.1f}: samples are significantly too close to training images'
      yield Caution('copies', text, (name,))


def _training(about: Mapping[str, Any]) -> Iterator[Caution]:
  kimg, step, num_steps = about.get('kimg', BARELY), about.get('step', 0), about.get('num_steps', 0)
  where = f'at step {step:,}' + (f' of {num_steps:,}' if step <= num_steps else '')
  if kimg < BARELY:
    text = f'the model has been trained on {1000 * kimg:,.0f} images only ({where}), when samples are mostly blobs'
    yield Caution('barely_trained', f'{text}: the scores tell little of the recipe', ())
  elif step < num_steps / 2:
    yield Caution('unfinished', f'the model is {where}: the scores will change', ())
