"""python -m gengan.utility --config=configs/utility/digits.py [--workdir=...] [--config.seeds=5]

Trains one classifier under one protocol on real, augmented, generated and mixed images, at several amounts of real
data, and reports on real test images whether the generated ones helped. The same command goes on after a kill.
"""

import pathlib
import sys

from absl import app, flags, logging

from gengan import config as configs
from gengan import main as training
from gengan.train.progress import Diverged
from gengan.utility import experiment, report

FIELDS = (  # of a comparison's config; those of `generator`, training itself looks for
  'generator',
  'generator.model.conditional',
  'generator.data.source',
  'generator.optimizers',
  'few_augment',
  'regimes',
  'generator_steps',
  'ratios',
  'seeds',
  *(f'synthetic.{name}' for name in ('num', 'means', 'mixed_means', 'every_epochs', 'min_agreement', 'scale')),
  *(f'classifier.{name}' for name in ('steps', 'passes', 'batch_size', 'width', 'augment', 'eval_every_steps')),
  'long_tail.imbalance',
  'long_tail.generator_steps',
)


def main(argv: list[str]) -> None:
  logging.set_verbosity(logging.WARNING)
  if argv[1:]:
    sys.exit(f'gengan.utility: unexpected argument {argv[1]!r}; settings are given as --config.name=value')
  workdir = pathlib.Path(flags.FLAGS.workdir or training.runs.default_workdir(f'utility-{_config_file().name}'))
  try:
    configs.require_fields(
      flags.FLAGS.config, FIELDS, kind="a comparison's config", example='configs/utility/digits.py'
    )
    configs.check_numbers(flags.FLAGS.config)
    records = experiment.run(flags.FLAGS.config, workdir)
  except (ValueError, OSError, Diverged) as error:
    if isinstance(error, experiment.Unfinished) and error.records:
      print(*report.write(workdir, error.records, flags.FLAGS.config), sep='\n')
    sys.exit(f'gengan.utility: {" ".join(str(error).split())}')
  print(*report.write(workdir, records, flags.FLAGS.config), sep='\n')


def _config_file() -> pathlib.Path:
  return pathlib.Path(training.config_flags.get_config_filename(flags.FLAGS['config']))


if __name__ == '__main__':
  app.run(main, flags_parser=training.parse)
