"""The words at the beginning and the end of a run; the commands are read back by the verbs' own command lines."""

import importlib
import shlex
import sys

import numpy as np
import pytest
from PIL import Image

from configs import conditional_dcgan, vae
from gengan import train
from gengan.config import arguments
from gengan.train import reference, summary


def prepared(config, workdir, **changes):
  config.data.image_size, config.batch_size = 8, 16
  config.model.width = 2
  config.update_from_flattened_dict(changes)
  return train.prepare(config, workdir)


@pytest.fixture(scope='module')
def digits(tmp_path_factory):
  return prepared(conditional_dcgan.get_config(), tmp_path_factory.mktemp('a run') / "it's")


def beginning(training, step=0):
  return summary.beginning(training, reference.choose(training.dataset, training.config), step=step)


def test_a_run_begins_with_where_on_what_and_how_large(digits):
  texts = beginning(digits)
  assert list(texts) == ['training']
  lines = dict(line.split(maxsplit=1) for line in texts['training'].splitlines() if line)
  sizes = digits.dataset.statistics['examples']
  assert lines['model'] == 'gengan.models.dcgan, asked for classes'
  assert lines['devices'] == '8 x cpu'  # of tests/conftest.py
  assert lines['images'].startswith(
    f'train {sizes["train"]:,}, validation {sizes["validation"]}, test {sizes["test"]};'
  )
  assert '8 x 8 pixels, grey, of digits' in lines['images']
  counts = np.bincount(digits.dataset.train.labels)
  assert lines['classes'].endswith(', '.join(f'{name} {count}' for name, count in enumerate(counts)))
  assert str(digits.workdir) in lines['writes']
  assert lines['real.png'].startswith('64 held-out images of the validation split')
  for name, network in digits.setup.abstract_state.params.items():
    total = sum(int(np.prod(leaf.shape)) for leaf in _leaves(network))
    assert f'{name} {total:,}' in lines['networks']


def _leaves(tree):
  return [leaf for value in tree.values() for leaf in (_leaves(value) if isinstance(value, dict) else [value])]


def test_many_classes_are_summarised(tmp_path):
  rng = np.random.default_rng(0)
  for number in range(12):
    folder = tmp_path / 'pictures' / (f'class{number:02d}' if number else '猫')
    folder.mkdir(parents=True)
    for index in range(3 + number):
      Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(folder / f'{index}.png')
  changes = {
    'data.source': f'folder:{tmp_path / "pictures"}',
    'data.test_fraction': 0.0,
    'data.validation_fraction': 0.0,
  }
  training = prepared(vae.get_config(), tmp_path / 'run', **changes)
  text = beginning(training)['training']
  assert '12, of 3 (猫) to 14 (class11) training images' in text
  assert '64 images of the train split' in text
  assert not any(command.startswith('evaluate') for command in _verbs(summary.suggestions(training)))


def test_private_data_is_not_shown(digits):
  config = digits.config.copy_and_resolve_references()
  config.private_data = True
  assert 'none is shown: config.private_data' in beginning(digits._replace(config=config))['training']


def test_a_run_that_is_complete_or_goes_on_says_so(digits):
  config = digits.config.copy_and_resolve_references()
  config.num_steps = 100
  shorter = digits._replace(config=config)
  where = digits.workdir
  assert beginning(shorter, 100) == {
    'complete': f'the run in {where} is complete at step 100; raise config.num_steps to go on'
  }
  assert beginning(shorter, 6000)['complete'] == (
    f'the run in {where} is complete at step 6,000; config.num_steps is 100; raise config.num_steps to go on'
  )
  assert beginning(shorter, 40)['resume'] == f'continuing the run in {where} at step 40 of 100'


def _verbs(commands):
  return [command.partition('gengan.')[2] for command in commands]


def test_the_end_suggests_commands_that_are_understood(digits, monkeypatch):
  made = {digits.workdir / 'curves.png': 'every metric over time'}
  texts = summary.ending(digits, made)
  assert list(texts) == ['done', 'next']
  for path in ('samples', 'curves.png', 'metrics.jsonl', 'checkpoints'):
    assert str(digits.workdir / path) in texts['done']
  commands = texts['next'].split('\n  ')[1:]
  assert [command.split('gengan.')[1].split()[0] for command in commands] == ['sample', 'evaluate', 'generate']

  def understand(workdir):
    raise Understood(workdir)

  monkeypatch.setattr(arguments, 'check_run', understand)
  for command in commands:
    module, *flags = shlex.split(command)[2:]
    assert f'--workdir={digits.workdir}' in flags
    with pytest.raises(Understood) as found:
      importlib.import_module(f'{module}.__main__').main(flags)
    assert found.value.args == (digits.workdir,)


class Understood(BaseException):
  """The flags are, and the run would be opened now."""


@pytest.mark.parametrize(
  ('found', 'called', 'start'),
  [
    ({'python': '/env/bin/python'}, 'main.py', 'python -m gengan.sample'),
    ({'python': '/usr/bin/python'}, 'main.py', '/env/bin/python3 -m gengan.sample'),
    ({'python': '/env/bin/python', 'gengan': '/env/bin/gengan'}, 'gengan train', 'gengan sample'),
    ({'python': '/env/bin/python'}, 'gengan train', 'python -m gengan.sample'),
  ],
)
def test_a_command_runs_in_the_environment_of_this_one(monkeypatch, found, called, start):
  monkeypatch.setattr(sys, 'executable', '/env/bin/python3')
  monkeypatch.setattr(sys, 'argv', [called])
  monkeypatch.setattr('shutil.which', found.get)
  command = arguments.command('sample', workdir='runs/my run', num=3)
  assert command == f"{start} '--workdir=runs/my run' --num=3"
