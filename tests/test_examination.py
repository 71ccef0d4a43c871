"""What is due at which step of a run, by hand."""

import pytest

from configs import dcgan
from gengan import examination


@pytest.mark.parametrize(
  'step, expected',
  [
    (0, {'draw'}),
    (1, set()),
    (10, {'draw'}),
    (20, {'draw', 'validate'}),
    (30, {'draw', 'save'}),
    (45, {'evaluate'}),
    (60, {'draw', 'validate', 'save'}),
    (97, {'draw', 'validate', 'evaluate', 'save'}),  # the last
  ],
)
def test_every_task_has_its_interval_and_all_are_due_at_the_end(step, expected):
  config = dcgan.get_config()
  config.num_steps, config.sample_every_steps, config.eval_every_steps = 97, 10, 20
  config.evaluators.every_steps, config.checkpoint.every_steps = 45, 30
  assert examination.due(config, step, stop=False) == expected
  assert examination.due(config, step, stop=True) == {'save'}  # whoever asks to stop may soon kill
