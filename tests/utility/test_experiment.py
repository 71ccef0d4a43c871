"""A whole comparison at toy size: records, restart, report; and what is refused."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import types

import numpy as np
import pytest

from configs.utility import digits
from gengan import data
from gengan.config import defaults
from gengan.data import images
from gengan.train import progress
from gengan.utility import __main__ as utility
from gengan.utility import experiment, plan, report
from gengan.utility import records as kept

TEST_BY_CLASS = np.bincount(data.load(digits.get_config().generator.data).test.labels).tolist()


def tiny_config():
  config = digits.get_config()
  config.generator.model.width = 4
  config.generator.batch_size = 32
  config.generator.eval_every_steps = config.generator.checkpoint.every_steps = 2
  config.generator.sample_every_steps = 2
  config.regimes, config.generator_steps, config.ratios = (5, 10), (2, 2), (1.0,)
  config.seeds = 2
  config.synthetic.num, config.synthetic.means = 20, ('', 'recycle+expand')
  config.classifier.steps, config.classifier.width, config.classifier.batch_size = 2, 2, 16
  config.long_tail.imbalance, config.long_tail.generator_steps = 5.0, 2
  return config


@pytest.fixture(scope='module')
def run_and_said(tmp_path_factory):
  folder = tmp_path_factory.mktemp('utility')
  config, said = tiny_config(), io.StringIO()
  with contextlib.redirect_stdout(said):
    records = experiment.run(config, folder)
  return (folder, config, records), said.getvalue()


@pytest.fixture(scope='module')
def done(run_and_said):
  return run_and_said[0]


def test_the_terminal_has_two_lines_a_generator_and_one_a_classifier(run_and_said):
  (_, _, records), said = run_and_said
  first, *lines = said.splitlines()
  assert first.startswith(f'{len(records)} of {len(records)} classifiers to train; generators to train: 5_per_class (2')
  for regime in ('5_per_class', '10_per_class', 'long_tail'):
    own = [line for line in lines if f'{regime}' in line and 'step 0 of' not in line and 'step 2 of' not in line]
    assert own[0].startswith(f'{regime}: the generator trains to step 2; its progress: ')
    assert re.fullmatch(rf'{regime}: the generator is trained, in 0:\d\d:\d\d', own[1])
    assert len(own) == 2 + sum(record['regime'] == regime for record in records), own
    assert all(re.match(r'\d+ of \d+, about .* left: ', line) for line in own[2:])


def test_every_regime_arm_and_seed_is_measured_once_on_the_whole_test_split(done):
  _, _, records = done
  keys = [(r['regime'], r['arm'], r['seed']) for r in records]
  assert len(set(keys)) == len(keys) == 2 * 6 * 2 + 4 * 2
  assert all(r['test_by_class'] == TEST_BY_CLASS for r in records)
  for r in records:
    assert 0 <= r['accuracy'] <= 1 and len(r['by_class']) == 10
    assert sum(r['real_by_class']) == {'5_per_class': 50, '10_per_class': 100}.get(r['regime'], sum(r['real_by_class']))
    assert (r['num_generated'] > 0) == (r['arm'] in ('synthetic', 'synthetic_recycle+expand', 'mixed_1', 'balanced'))
    assert r['generator_saw'] in (0, sum(r['real_by_class']))  # never more real images than the arms have
  tail = next(r for r in records if r['regime'] == 'long_tail')['real_by_class']
  assert tail[0] / tail[-1] == pytest.approx(5, rel=0.05) and tail == sorted(tail, reverse=True)


def test_a_killed_comparison_goes_on_and_ends_with_the_same_records(done, tmp_path, capsys):
  folder, config, records = done
  shutil.copytree(folder, tmp_path / 'again')
  path = tmp_path / 'again' / kept.FILE
  lines = path.read_text().splitlines(keepends=True)
  lost = 3
  path.write_text(''.join(lines[:-lost]) + lines[-lost][:40])  # the last line was cut short
  again = experiment.run(config, tmp_path / 'again')
  said = capsys.readouterr().out
  assert said.count('test accuracy') == lost
  assert f'{len(records) - lost} classifiers are taken over from {path}\n' in said
  assert f'{lost} of {len(records)} classifiers to train; generators to train: none\n' in said
  assert (
    f'{len(records) - lost + 1} of {len(records)}, about ' in said and f'{len(records)} of {len(records)}, ' in said
  )
  assert again == records
  assert [json.loads(line) for line in path.read_text().splitlines()] == records


def small_config():
  """One regime, one seed, as few arms as there can be."""
  config = tiny_config()
  config.regimes, config.generator_steps, config.ratios, config.seeds = (5,), (2,), (), 1
  config.synthetic.means, config.long_tail.imbalance = (), 1.0
  return config


def test_a_signal_while_a_generator_trains_measures_nothing_and_the_same_command_goes_on(tmp_path, monkeypatch):
  push = progress.Progress.push

  def interrupted(self, step, metrics):
    push(self, step, metrics)
    os.kill(os.getpid(), signal.SIGTERM)

  with monkeypatch.context() as patched:
    patched.setattr(progress.Progress, 'push', interrupted)
    with pytest.raises(experiment.Unfinished, match=r'5_per_class .* step 1 of 2; the same command continues$'):
      experiment.run(small_config(), tmp_path / 'stopped')
  assert not (tmp_path / 'stopped' / kept.FILE).exists()
  assert experiment.run(small_config(), tmp_path / 'stopped') == experiment.run(small_config(), tmp_path / 'whole')


def test_the_command_ends_with_one_line_when_it_is_stopped(tmp_path, monkeypatch, capsys):
  def stopped(config, workdir):
    text = 'stopped: all has its generator at step 1 of 2; the same command continues'
    raise experiment.Unfinished(text, stopped=True)

  monkeypatch.setattr(experiment, 'run', stopped)
  with pytest.raises(SystemExit) as stop:
    utility.main(['--config=configs/utility/digits.py', f'--workdir={tmp_path}'])
  error = capsys.readouterr().err
  assert stop.value.code == 130 and error.count('\n') == 1 and error.endswith('the same command continues\n')
  assert not list(tmp_path.iterdir())  # nothing was measured, so there is nothing to report


def test_a_folder_that_takes_no_files_is_told_before_anything_is_read(tmp_path, monkeypatch, capsys):
  (tmp_path / 'taken').write_text('a file')
  monkeypatch.setattr(experiment, 'run', lambda *args, **options: pytest.fail('it began'))
  with pytest.raises(SystemExit) as caught:
    utility.main(['--config=configs/utility/digits.py', f'--workdir={tmp_path / "taken"}'])
  error = capsys.readouterr().err
  assert caught.value.code == 2 and error.count('\n') == 1
  assert 'taken, where no files can be written: that is a file' in error


def test_an_interrupt_between_two_classifiers_keeps_what_was_measured(tmp_path, monkeypatch):
  measured = iter([{'regime': '5_per_class', 'arm': 'real', 'seed': 0, 'accuracy': 0.5, 'generator_step': 2}])

  def interrupted(regime, left, config, workdir, watch):
    yield next(measured)
    raise KeyboardInterrupt

  monkeypatch.setattr(experiment, '_run_regime', interrupted)
  with pytest.raises(experiment.Unfinished, match=r'^stopped in 5_per_class; the same command continues$') as caught:
    experiment.run(small_config(), tmp_path)
  assert [r['arm'] for r in caught.value.records] == ['real'] and caught.value.records == kept.read(
    tmp_path / kept.FILE
  )


def test_what_was_measured_is_reported_where_the_rest_cannot_be(done, tmp_path, monkeypatch, capsys):
  _, config, records = done

  def stopped(config, workdir):
    raise experiment.Unfinished('5_per_class, synthetic_filter: nothing is left', records[:3])

  monkeypatch.setattr(experiment, 'run', stopped)
  loaded = types.SimpleNamespace(config=config, config_name='digits.py', workdir=tmp_path)
  monkeypatch.setattr(utility.arguments, 'parse', lambda parser, argv: loaded)
  with pytest.raises(SystemExit) as stop:
    utility.main([])
  assert stop.value.code == 2 and capsys.readouterr().err.endswith('nothing is left\n')
  assert f'Not finished: {len(records) - 3} of {len(records)} classifiers' in (tmp_path / 'report.md').read_text()
  whole = tmp_path / 'whole'
  whole.mkdir()
  report.write(whole, records, config)
  assert 'Not finished' not in (whole / 'report.md').read_text()


def test_records_of_a_generator_that_was_not_finished_do_not_count(done, tmp_path, capsys):
  folder, config, records = done
  shutil.copytree(folder, tmp_path / 'again')
  path = tmp_path / 'again' / kept.FILE
  half = [record | {'generator_step': 1, 'accuracy': 0.0} if record is records[3] else record for record in records]
  path.write_text(''.join(json.dumps(record) + '\n' for record in half))
  again = experiment.run(config, tmp_path / 'again')
  said = capsys.readouterr().out
  assert said.count('test accuracy') == 1 and f'\n1 records in {path} are of generators with another number' in said
  key = lambda record: (record['regime'], record['arm'], record['seed'])
  assert sorted(again, key=key) == sorted(records, key=key)


def test_a_classifier_with_few_steps_is_validated_as_often_as_the_others(monkeypatch):
  asked = []
  monkeypatch.setattr(experiment.classifier, 'train', lambda batches, **given: asked.append(given))
  config = digits.get_config()
  few = experiment.arms.Arm(lambda start, stop: None, passes=config.classifier.passes)
  many = experiment.arms.Arm(lambda start, stop: None)
  for arm, num_real in ((few, 100), (few, 1), (many, 100)):
    experiment._fit(arm, seed=0, num_classes=10, validation=([], []), config=config, flip=False, num_real=num_real)
  assert [given['steps'] for given in asked] == [39, 1, 600]
  assert [given['eval_every_steps'] for given in asked] == [7, 1, 100]


def test_classifiers_of_nothing_but_the_real_images_are_trained_once(tmp_path, monkeypatch):
  train, calls = experiment.classifier.train, []
  monkeypatch.setattr(
    experiment.classifier, 'train', lambda *args, **given: calls.append(given) or train(*args, **given)
  )
  config = small_config()
  config.synthetic.means = ('relabel',)  # asks a judge, which is the better of `real` and `augmented`
  records = experiment.run(config, tmp_path)
  assert [r['arm'] for r in records] == ['real', 'oversampled', 'augmented', 'synthetic_relabel'] and len(calls) == 3
  path = tmp_path / kept.FILE
  path.write_text(path.read_text().splitlines(keepends=True)[0])  # killed after the first: both are trained again
  assert experiment.run(config, tmp_path) == records and len(calls) == 6
  config = small_config()
  config.classifier.steps, config.classifier.passes = 5, 1  # 50 images in batches of 16: `real` ends after 3 steps
  calls.clear()
  experiment.run(config, tmp_path / 'passes')
  assert [given['steps'] for given in calls] == [3, 5, 5]


def test_a_folder_of_another_comparison_is_refused_but_seeds_may_be_added(done, tmp_path):
  folder, config, _ = done
  shutil.copytree(folder, tmp_path / 'again')
  config = config.copy_and_resolve_references()
  config.classifier.steps = 7
  with pytest.raises(ValueError, match=r'other settings: config\.classifier\.steps is 2 there and 7 here\. Choose'):
    experiment.run(config, tmp_path / 'again')


def test_the_report_holds_the_means_the_verdicts_the_samples_and_the_protocol(done, tmp_path):
  folder, config, records = done
  shutil.copytree(folder / 'samples', tmp_path / 'samples')
  report.write(tmp_path, records, config)
  text = (tmp_path / 'report.md').read_text()
  values = [100 * r['accuracy'] for r in records if (r['regime'], r['arm']) == ('5_per_class', 'mixed_1')]
  assert f'| mixed 1 | 50 | {np.mean(values):.2f} ± {np.std(values, ddof=1):.2f} % | 2 |' in text
  assert "every fifth of an arm's steps" in text
  assert '## Long tail' in text and 'Generated for one real' in text and '2 seeds' in text
  assert (tmp_path / 'accuracy.png').read_bytes().startswith(b'\x89PNG')
  names = ('5_per_class', '10_per_class', 'long_tail')
  assert all(f'](samples/{name}.png)' in text and (tmp_path / 'samples' / f'{name}.png').exists() for name in names)
  assert (tmp_path / 'index.html').read_text().count('src="data:image/png') == 1 + len(names)


def test_a_regime_that_cannot_be_trained_is_told_first_and_leaves_nothing(tmp_path):
  config = tiny_config()
  config.regimes = (10, 2)  # 20 images, fewer than a batch
  with pytest.raises(ValueError, match=r'^2_per_class: config\.generator\.batch_size is 32, but .* has 20'):
    experiment.run(config, tmp_path / 'new')
  assert not (tmp_path / 'new').exists()


@pytest.mark.parametrize('classes', [(), ('a',)])
def test_images_without_labels_are_one_line_that_says_what_is_needed(classes, tmp_path):
  for name in classes or ('',):
    (tmp_path / 'set' / name).mkdir(parents=True)
    for i in range(40):
      images.save_png(tmp_path / 'set' / name / f'{i}.png', np.full((8, 8, 1), 6 * i, np.uint8))
  config = tiny_config()
  config.generator.data.source = f'folder:{tmp_path / "set"}'
  with pytest.raises(ValueError, match=r"^5_per_class: the images of 'folder:.*' have no labels .* needs them$"):
    experiment.run(config, tmp_path / 'new')
  assert not (tmp_path / 'new').exists()


@pytest.mark.parametrize('split', ['train', 'test'])
def test_a_class_without_images_is_told_first(split, tmp_path):
  rng, labels = np.random.default_rng(0), np.arange(90) % 3
  lacking = np.where(labels == 1, 0, labels)
  arrays = {
    f'{name}_{what}': value
    for name in ('train', 'val', 'test')
    for what, value in (
      ('images', rng.integers(0, 256, (90, 8, 8), dtype=np.uint8)),
      ('labels', lacking if name == split else labels),
    )
  }
  np.savez(tmp_path / 'set.npz', **arrays)
  config = tiny_config()
  config.regimes, config.generator_steps = (0,), (2,)
  config.generator.data.source = f'npz:{tmp_path / "set.npz"}'
  with pytest.raises(ValueError, match=rf"^all: there is no {split} image of the class '1' in npz:.*some of every"):
    experiment.run(config, tmp_path / 'new')
  assert not (tmp_path / 'new').exists()


def test_a_damaged_record_is_named_with_its_line(tmp_path):
  path = tmp_path / 'results.jsonl'
  whole = {'regime': 'all', 'arm': 'real', 'seed': 0, 'generator_step': 2, 'accuracy': 0.5}
  for damaged in ('{"regime', '3', '{"regime": "all"}'):
    path.write_text(f'{json.dumps(whole)}\n{damaged}\n')
    with pytest.raises(ValueError, match=r'results\.jsonl is damaged in line 2: '):
      kept.read(path)
  path.write_text(f'{json.dumps(whole)}\n{{"regime')
  assert kept.read(path) == [whole]


def test_filters_that_leave_nothing_name_the_arm_and_the_field(tmp_path):
  config = tiny_config()
  config.regimes, config.generator_steps, config.ratios, config.seeds = (5,), (2,), (), 1
  config.long_tail.imbalance = 1.0
  config.synthetic.num, config.synthetic.means, config.synthetic.min_agreement = 2, ('filter',), 0.999999
  with pytest.raises(
    experiment.Unfinished, match=r'^5_per_class, synthetic_filter: .*dropped all.* config.synthetic.min_agreement'
  ) as caught:
    experiment.run(config, tmp_path)
  assert [r['arm'] for r in kept.read(tmp_path / kept.FILE)] == ['real', 'oversampled', 'augmented']
  assert caught.value.records == kept.read(tmp_path / kept.FILE)


@pytest.mark.parametrize(
  'field, value, message',
  [
    ('seeds', 0, 'config.seeds is 0'),
    ('ratios', (0.0,), 'config.ratios'),
    ('ratios', (1.0, 1.0), r'config.ratios is \(1.0, 1.0\); it must be different'),
    ('ratios', (float('inf'),), 'config.ratios'),
    ('ratios', ('a',), r"config.ratios is \('a',\); it must be positive numbers"),
    ('regimes', ('a', 'b'), r"config.regimes is \('a', 'b'\); it must be different numbers"),
    ('generator_steps', ('a', 'b'), 'config.generator_steps .* numbers of at least 1'),
    ('regimes', (10, 10), r'config.regimes is \(10, 10\); it must be different'),
    ('regimes', (), 'config.regimes'),
    ('regimes', (5, 500), r'config.regimes is 500, but there are 1\d\d training images of the class .* or 0 for all'),
    ('generator_steps', (2, 0), 'config.generator_steps'),
    ('few_augment', 'foo', "config.few_augment is 'foo'; it must be some of color"),
    ('classifier.augment', 'foo', "config.classifier.augment is 'foo'; it must be some of color"),
    ('classifier.batch_size', 0, 'config.classifier.batch_size is 0'),
    ('classifier.eval_every_steps', 0, 'config.classifier.eval_every_steps is 0'),
    ('classifier.width', 0, 'config.classifier.width is 0'),
    ('long_tail.generator_steps', 0, 'config.long_tail.generator_steps is 0'),
    ('generator.data.test_fraction', 0.0, r'config.generator.data.test_fraction is 0.0, and digits .* no test images'),
    ('generator.data.validation_fraction', 0.0, r'config.generator.data.validation_fraction is 0.0'),
    ('generator.data.source', 'idx:nowhere', r'^5_per_class: .*nowhere'),
    ('generator.model.width', 0, r'config.generator.model.width is 0'),
    ('generator_steps', (1,), 'one number a regime'),
    ('synthetic.min_agreement', 1.0, 'config.synthetic.min_agreement is 1.0'),
    (
      'synthetic.means',
      ('recycel',),
      "config.synthetic.means is 'recycel'; it must be made of recycle, filter",
    ),
    ('synthetic.mixed_means', 'filter+', 'config.synthetic.mixed_means'),
    ('synthetic.means', ('filter+recycle', 'recycle+filter'), 'config.synthetic.means .* different means'),
    ('generator.model.conditional', False, 'need labels'),
    ('generator.data.examples_per_class', 7, r'examples_per_class is 7; it must be 0: config.regimes says how many'),
  ],
)
def test_impossible_settings_are_named(field, value, message, tmp_path):
  config = tiny_config()
  config.update_from_flattened_dict({field: value})
  with pytest.raises((ValueError, FileNotFoundError), match=message):
    experiment.run(config, tmp_path / 'new')
  assert not (tmp_path / 'new').exists()


def test_the_learning_rates_of_a_generator_last_as_long_as_its_steps():
  config = tiny_config()
  config.generator.d_steps_per_g_step, config.generator_steps = 2, (100, 200)
  for optimizer in config.generator.optimizers.values():
    with optimizer.ignore_type():
      optimizer.learning_rate = defaults.linear(2e-4, 0.0, kimg=7.0)
  ends = [
    [regime.config.optimizers[name].learning_rate.kimg for name in ('generator', 'discriminator')]
    for regime in plan.regimes(config)[:2]
  ]
  assert ends == [[3.84, 3.84], [7.68, 7.68]]  # 1.2 times the steps of 32 images; D's two updates share them


@pytest.mark.parametrize('better', [True, False])
def test_generated_images_are_filtered_by_the_classifier_that_validates_better(better):
  def fit(augmented):
    return types.SimpleNamespace(augmented=augmented, validation_accuracy=0.8 + 0.1 * (augmented is better))

  assert experiment.better_of_two(fit).augmented is better
