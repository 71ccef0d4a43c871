"""Means: of an algorithm's `eval_step` over a whole data split, and of scores over sample sets."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import jax
import numpy as np

from gengan.core import Batch, Metrics, State


def average(
  eval_step: Callable[[State, Batch, jax.Array], Metrics],
  state: State,
  batches: Iterable[tuple[Batch, np.ndarray]],
  key: jax.Array,
) -> dict[str, float]:
  """Mean of every metric over the examples that are real, each counted once however the batches fall.

  Args:
    eval_step: `(state, batch, key) -> {name: [B]}`, jitted by the caller.
    state: what is evaluated.
    batches: pairs of a batch and its mask, bool [B], False where the last batch was padded.
    key: batch i is given `fold_in(key, i)`.

  Returns:
    Python floats, summed in float64; NaN where a real example's value is NaN.

  Raises:
    ValueError: not one real example, or a metric that is not one value an example.
  """
  sums, count, pending = {}, 0, None
  for index, (batch, mask) in enumerate(batches):
    values = eval_step(state, batch, jax.random.fold_in(key, index))
    if pending is not None:  # fetched one batch late, so that the device does not wait for the host
      _add(sums, *pending)
    pending = values, np.asarray(mask, bool)
    count += int(pending[1].sum())
  if not count:
    raise ValueError('no examples to average over: the split is empty')
  _add(sums, *pending)
  return {name: total / count for name, total in sums.items()}


def mean_and_deviation(runs: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
  """Means and standard deviations (n - 1) of scores by name over runs, at least one; no deviations of a single run.

  A score that one of the runs lacks has no mean.
  """
  names = [name for name in runs[0] if all(name in run for run in runs)]
  mean = {name: float(np.mean([run[name] for run in runs])) for name in names}
  deviation = {name: float(np.std([run[name] for run in runs], ddof=1)) for name in mean} if len(runs) > 1 else {}
  return mean, deviation


def _add(sums: dict[str, float], values: Metrics, mask: np.ndarray) -> None:
  for name, value in jax.device_get(values).items():
    if np.shape(value) != mask.shape:
      raise ValueError(f'eval_step gave {name!r} of shape {list(np.shape(value))}, not one value an example')
    # Selected, not multiplied by the mask: padding may well be NaN.
    sums[name] = sums.get(name, 0.0) + float(np.sum(np.asarray(value, np.float64)[mask]))
