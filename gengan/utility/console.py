"""What the terminal shows of a generator's training within a comparison: that it begins, what is odd, that it ends."""

import datetime
import os
import time
from collections.abc import Callable, Mapping

from gengan.train.writers import MetricWriter


class GeneratorConsole(MetricWriter):
  """Stands in for the progress of a run: one line at its begin, one at its end and one for each warning, once.

  A run that is complete already says nothing.
  """

  def __init__(
    self, regime: str, folder: str | os.PathLike, *, num_steps: int, clock: Callable[[], float] = time.monotonic
  ):
    self._regime, self._folder, self._num_steps, self._clock = regime, folder, num_steps, clock
    self._begun, self._warned = clock(), set()

  def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
      match name:
        case 'training':
          self._begun = self._clock()
          at = f'from step {step:,} ' if step else ''
          self._tell(
            f'the generator trains {at}to step {self._num_steps:,}; its progress: {self._folder}/metrics.jsonl'
          )
        case 'done':
          took = datetime.timedelta(seconds=round(self._clock() - self._begun))
          self._tell(f'the generator is trained, in {took}')
        case 'warning' if text not in self._warned:
          self._warned.add(text)
          self._tell(f'step {step:,} of the generator: {text}')

  def _tell(self, text: str) -> None:
    print(f'{self._regime}: {text}', flush=True)
