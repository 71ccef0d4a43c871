"""What is due at which step of a run, by hand."""

import pytest

from configs import dcgan, vae
from gengan import train
from gengan.train import examination


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


@pytest.mark.parametrize(
  'recipe, metric, evaluators',
  [
    (vae, 'validation/elbo', ''),
    (dcgan, 'validation/d_real', ''),
    (dcgan, 'diversity_ratio', ''),
    (dcgan, 'validation/fd_pixels', 'frechet,manifold'),
    (dcgan, 'validation/coverage_pixels', 'frechet,manifold'),
  ],
)
def test_the_best_may_be_chosen_by_what_is_measured(recipe, metric, evaluators, tmp_path):
  train.prepare(tiny(recipe, metric, evaluators), tmp_path)


@pytest.mark.parametrize(
  'metric, evaluators, message',
  [
    (
      'validation/elbo',
      '',
      r"best_metric is 'validation/elbo'; it must be one of validation/d_fake, validation/d_real",
    ),
    ('validation/fd_pixels', '', 'best_metric'),
    ('validation/kd_pixels', 'frechet', r'validation/fd_\.\.\.'),
    ('d_loss', 'frechet', 'best_metric'),
  ],
)
def test_a_metric_that_nobody_measures_is_refused(metric, evaluators, message, tmp_path):
  with pytest.raises(ValueError, match=message):
    train.prepare(tiny(dcgan, metric, evaluators), tmp_path)


def tiny(recipe, metric, evaluators):
  config = recipe.get_config()
  config.data.image_size, config.model.width, config.batch_size = 8, 4, 16
  config.checkpoint.best_metric, config.evaluators.metrics = metric, evaluators
  return config
