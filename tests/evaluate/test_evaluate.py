"""Two tiny runs are trained and evaluated through the command line: a conditional GAN and a VAE."""

import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from configs import conditional_dcgan, vae
from gengan import core, data, runs, sharding, train
from gengan.config import ConfigError, set_classes
from gengan.evaluate import __main__ as evaluate
from gengan.evaluate import classifiers, command, in_training
from gengan.evaluate import model as asked
from gengan.evaluate.evaluator import Evaluator, Settings
from gengan.evaluate.feature_network import make_network
from gengan.evaluate.images import generated_batches
from gengan.evaluate.protocol import Evaluation
from gengan.host.interrupts import Stopped
from gengan.metrics import family, likelihood
from gengan.runs import checkpoint
from gengan.runs.leaves import state_sha256

pytestmark = pytest.mark.filterwarnings('ignore::gengan.metrics.checks.FewSamplesWarning')


def tiny(config):
  config.num_steps = config.eval_every_steps = config.sample_every_steps = config.checkpoint.every_steps = 2
  config.batch_size = 16
  config.data.image_size = 8
  config.model.update(width=4, latent_size=5)
  return config


@pytest.fixture(scope='module')
def gan_run(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('gan') / 'run'
  config = tiny(conditional_dcgan.get_config())
  config.evaluators.update(metrics='frechet, manifold', network='pixels, pca', num_generated=64, every_steps=1)
  config.checkpoint.update(every_steps=1, best_metric='validation/fd_pixels', keep_latest=2)
  train.run(config, workdir)
  return workdir


@pytest.fixture(scope='module')
def vae_run(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('vae') / 'run'
  config = tiny(vae.get_config())
  config.evaluators.update(metrics='likelihood, path_length', network='pixels', num_generated=64, every_steps=1)
  config.checkpoint.update(every_steps=1, best_metric='validation/iw_bound_50', best_mode='max')
  train.run(config, workdir)
  return workdir


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path_factory):
  monkeypatch.setenv('GENGAN_CACHE', str(tmp_path_factory.getbasetemp() / 'cache'))
  monkeypatch.setattr(classifiers, 'STEPS', 5)


def loaded(config):
  dataset = data.load(config.data)
  set_classes(config, dataset.num_classes, labelled=True)
  return dataset


def scores_of(workdir):
  return Evaluation.from_json((workdir / 'evaluation' / 'evaluation.json').read_text())


def test_the_loop_measures_on_the_validation_split_and_keeps_the_best(gan_run):
  lines = [json.loads(line) for line in (gan_run / 'metrics.jsonl').read_text().splitlines()]
  measured = {line['step']: line['validation/fd_pixels'] for line in lines if 'validation/fd_pixels' in line}
  assert sorted(measured) == [1, 2]
  assert all(0 <= line['validation/coverage_pixels'] <= 1 for line in lines if 'validation/fd_pixels' in line)
  assert runs.load(gan_run, checkpoint='best').step == min(measured, key=measured.get)
  assert isinstance(runs.open_checkpoints(gan_run, runs.load(gan_run).config), checkpoint.Checkpointer)


def test_each_of_several_networks_in_the_loop_sees_what_it_would_see_alone(gan_run):
  lines = [json.loads(line) for line in (gan_run / 'metrics.jsonl').read_text().splitlines()]
  last = {name: value for line in lines if line['step'] == 2 for name, value in line.items()}
  run, mesh = runs.load(gan_run), sharding.make_mesh()
  state = jax.device_put(run.state, sharding.replicated(mesh))
  for network in ('pixels', 'pca'):
    run.config.evaluators.network = network
    alone = in_training.of_config(run.config, data.load(run.config.data), run.algorithm, mesh)
    scores, _ = in_training.measure(alone, state, run.algorithm)
    assert f'validation/fd_{network}' in scores and scores == pytest.approx({name: last[name] for name in scores})


def test_the_loop_asks_the_model_too_and_keeps_the_best(vae_run):
  lines = [json.loads(line) for line in (vae_run / 'metrics.jsonl').read_text().splitlines()]
  measured = {line['step']: line for line in lines if 'validation/iw_bound_50' in line}
  assert sorted(measured) == [1, 2] and all(line['validation/path_length_pixels'] > 0 for line in measured.values())
  best = max(measured, key=lambda step: measured[step]['validation/iw_bound_50'])
  assert runs.load(vae_run, checkpoint='best').step == best


def test_a_network_of_several_that_has_nothing_to_measure_is_told_before_the_first_step(gan_run):
  run = runs.load(gan_run)
  dataset = data.load(run.config.data)
  run.config.evaluators.update(metrics='classification_accuracy', network='pixels,pca')
  with pytest.raises(ValueError, match='nothing to measure on pca: not classification_accuracy'):
    in_training.check(run.config, dataset, run.algorithm)
  run.config.evaluators.update(metrics='frechet', network='pixels,pixel')
  with pytest.raises(ConfigError, match=r"evaluators\.network is 'pixel'.*nearest is pixels"):
    in_training.check(run.config, dataset, run.algorithm)


def test_the_loop_tells_of_a_classifier_that_it_trains(gan_run, monkeypatch, tmp_path, capsys):
  monkeypatch.setenv('GENGAN_CACHE', str(tmp_path))
  monkeypatch.setattr(classifiers, 'STEPS', 10)
  run, mesh = runs.load(gan_run), sharding.make_mesh(devices=jax.devices()[:1])
  run.config.evaluators.metrics, run.config.evaluators.network = 'frechet', 'classifier'
  in_training.of_config(run.config, data.load(run.config.data), run.algorithm, mesh)
  assert re.match(r'training a classifier \(1 of 10\)\n', capsys.readouterr().err)


def test_whoever_is_asked_to_stop_trains_no_classifier_to_its_end_and_keeps_none(gan_run, monkeypatch, tmp_path):
  monkeypatch.setenv('GENGAN_CACHE', str(tmp_path / 'cache'))
  run, mesh = runs.load(gan_run), sharding.make_mesh(devices=jax.devices()[:1])
  run.config.evaluators.metrics, run.config.evaluators.network = 'classification_accuracy', 'classifier'
  dataset, heard = data.load(run.config.data), []

  def heed():
    heard.append(None)
    if len(heard) == 3:
      raise Stopped

  with pytest.raises(Stopped):
    in_training.of_config(run.config, dataset, run.algorithm, mesh, heed)
  assert len(heard) == 3 and not (tmp_path / 'cache').exists()
  evaluators = in_training.of_config(run.config, dataset, run.algorithm, mesh, heed)
  for _ in range(2):  # the samples, and what is trained on them
    heard.clear()
    with pytest.raises(Stopped):
      in_training.measure(evaluators, run.state, run.algorithm)


def test_what_a_classifier_learns_from_samples_can_steer_a_run(gan_run):
  run, mesh = runs.load(gan_run), sharding.make_mesh(devices=jax.devices()[:1])
  run.config.evaluators.update(metrics='classification_accuracy', network='pixels')
  evaluators = in_training.of_config(run.config, data.load(run.config.data), run.algorithm, mesh)
  scores, lines = in_training.measure(evaluators, run.state, run.algorithm)
  assert list(scores) == ['validation/classification_accuracy_score'] and lines == []
  assert 0 <= scores['validation/classification_accuracy_score'] <= 1
  assert in_training.score_names(run.config) == ('validation/classification_accuracy_score',)
  run.config.evaluators.metrics = 'likelihood'
  with pytest.raises(ValueError, match='likelihood needs a model whose eval_step gives log_weight'):
    in_training.of_config(run.config, data.load(run.config.data), run.algorithm, mesh)


def told_paths(out):
  """The page and the file of numbers, as a shell would read the last two lines."""
  (_, page), (_, record) = (shlex.split(line) for line in out.splitlines()[-2:])
  return pathlib.Path(page), pathlib.Path(record)


def test_a_conditional_gan_is_measured_on_the_test_split(gan_run, capsys):
  evaluate.main([f'--workdir={gan_run}', '--num=64', '--sets=2'])
  page, record = told_paths(capsys.readouterr().out)
  found = Evaluation.from_json(record.read_text())
  config = runs.load(gan_run).config
  assert found.about['weights_sha256'] == state_sha256(runs.load(gan_run).state)
  assert found.protocol.split == 'test' and found.protocol.num_real == len(data.load(config.data).test)
  assert {'fd_classifier', 'kd_classifier', 'coverage_classifier', 'authenticity_classifier'} <= set(found.scores)
  assert 0 <= found.scores['label_consistency'] <= 1 and found.deviations.keys() == found.scores.keys()
  assert not any(name in ('fid', 'kid') for name in found.scores)
  text = page.read_text()
  assert 'fd_classifier' in text and text.count('data:image/png') == 4 and 'images are few' in text
  assert 'Reconstructions' not in text and (gan_run / 'evaluation' / 'real.png').exists()
  assert np.asarray(Image.open(gan_run / 'evaluation' / 'neighbours.png')).shape[0] > 12 * 64


def test_several_networks_see_the_same_samples(gan_run, tmp_path, capsys):
  flags = [f'--workdir={gan_run}', '--num=64', '--sets=2']
  evaluate.main([*flags, '--network=classifier,pixels', '--metrics=frechet,consistency', f'--out={tmp_path / "both"}'])
  evaluate.main([*flags, '--network=pixels', '--metrics=frechet', f'--out={tmp_path / "alone"}'])
  both, alone = (Evaluation.from_json((tmp_path / name / 'evaluation.json').read_text()) for name in ('both', 'alone'))
  assert both.protocol.network == 'classifier, pixels' and not both.not_measured
  assert {'fd_classifier', 'fd_pixels', 'label_consistency'} <= both.scores.keys()
  assert both.scores['fd_pixels'] == alone.scores['fd_pixels']
  assert both.deviations['fd_pixels'] == alone.deviations['fd_pixels']
  assert both.real['fd_pixels'] == alone.real['fd_pixels']
  assert 'features of classifier, pixels' in ' '.join(capsys.readouterr().out.split())


def test_what_the_model_is_asked_itself(gan_run):
  flags = [f'--workdir={gan_run}', '--num=64', '--network=pixels', '--metrics=classification_accuracy,path_length']
  evaluate.main([*flags, '--sets=2'])
  found = scores_of(gan_run)
  by_class = found.about['by_class']['classification_accuracy_score']
  counts = np.bincount(data.load(runs.load(gan_run).config.data).test.labels)
  score = found.scores['classification_accuracy_score']
  assert score == pytest.approx(np.average(list(by_class.values()), weights=counts))
  assert found.deviations.keys() == found.scores.keys() == {'classification_accuracy_score', 'path_length_pixels'}
  assert found.scores['path_length_pixels'] > 0
  learnt, path_length = found.protocol.settings
  assert '1000 paths' in path_length and 'ResNet of width 32' in learnt and found.protocol.seeds == (0, 1)
  assert 'early stopping on validation images' in learnt


def test_a_score_of_the_validation_split_does_not_read_the_test_split(gan_run, monkeypatch):
  """Nor do the images that it is measured on stop the training of its classifier."""
  read, trained = [], []
  real_images, train_classifier = asked.real_images, asked.train_classifier
  note = lambda split, config: read.append(split.name) or real_images(split, config)
  watch = lambda *args, **kwargs: trained.append(kwargs['validation']) or train_classifier(*args, **kwargs)
  monkeypatch.setattr(asked, 'real_images', note)
  monkeypatch.setattr(asked, 'train_classifier', watch)
  flags = [f'--workdir={gan_run}', '--num=64', '--network=pixels', '--metrics=classification_accuracy', '--sets=1']
  evaluate.main([*flags, '--split=validation'])
  assert read == ['validation'] and trained == [None]
  assert 'last step' in scores_of(gan_run).protocol.settings[0]


def test_the_metric_of_the_page_on_evaluation_is_measured(gan_run, tmp_path, monkeypatch):
  page = (pathlib.Path(__file__).parents[2] / 'docs' / 'evaluation.md').read_text()
  (path, code), *others = re.findall(r'```python\n# (\S+\.py)\n(.*?)```', page, flags=re.DOTALL)
  assert not others
  (tmp_path / path).parent.mkdir()
  (tmp_path / path).write_text(code)
  monkeypatch.syspath_prepend(str(tmp_path))
  flags = [f'--workdir={gan_run}', '--num=64', '--network=pixels', '--metrics=my_package.mean_shift']
  evaluate.main([*flags, '--trust=my_package'])
  found = scores_of(gan_run)
  assert found.scores['mean_shift_pixels'] > 0 and found.deviations.keys() == found.scores.keys()
  assert 'distance of the mean features' in (gan_run / 'evaluation' / 'index.html').read_text()
  config = runs.load(gan_run).config
  config.evaluators.metrics = 'frechet, my_package.mean_shift'
  assert 'validation/mean_shift_' in in_training.score_names(config)


def test_values_by_class(gan_run):
  evaluate.main([f'--workdir={gan_run}', '--num=200', '--sets=1', '--metrics=consistency,intra_class'])
  found = scores_of(gan_run)
  names = data.load(runs.load(gan_run).config.data).class_names
  for score in ('label_consistency', 'intra_fd_classifier'):
    values = found.about['by_class'][score]
    assert tuple(values) == names and np.mean(list(values.values())) == pytest.approx(found.scores[score])
  assert 0 <= found.scores['label_consistency_real'] <= 1
  assert 'intra_fd_classifier' in (gan_run / 'evaluation' / 'index.html').read_text().split('By class')[1]


def test_a_vae_adds_its_likelihood(vae_run):
  evaluate.main([f'--workdir={vae_run}', '--num=64', '--sets=1', '--network=pixels'])
  found = scores_of(vae_run)
  scores = found.scores
  assert all(0 < found.deviations[name] < abs(scores[name]) for name in ('elbo', 'iw_bound_50', 'reconstruction_error'))
  assert 'gaussian' in found.protocol.settings[0]
  assert scores['elbo'] < 0 and scores['iw_bound_50'] > scores['elbo']  # Burda et al. 2016, theorem 1
  assert 0 < scores['reconstruction_error'] < 4 and 0 <= scores['active_units'] <= 5
  assert scores['elbo'] == pytest.approx(scores['recon'] - scores['kl'], rel=1e-5)
  assert 'Reconstructions' in (vae_run / 'evaluation' / 'index.html').read_text()


def test_the_reconstruction_error_counts_every_image_once(vae_run, monkeypatch):
  monkeypatch.setattr(likelihood, 'SAMPLES', 2)
  run = runs.load(vae_run)
  dataset, mesh = data.load(run.config.data), sharding.make_mesh(devices=jax.devices()[:1])
  model = asked.opened(run.algorithm, run.state, dataset, run.config, split='test', truncation=1.0, mesh=mesh)
  found = likelihood.scores(family.Inputs(None, None, 0, model)).values
  assert 'iw_bound_2' in found and all(family.meaning(name, [likelihood.FAMILY]).text for name in found)
  split = dataset.test
  batch, mask = next(data.eval_batches(split, run.config.data, batch_size=len(split)))
  latents = run.algorithm.encode(run.state, batch['image'], batch['label'])
  expected = np.mean((np.asarray(run.algorithm.decode(run.state, latents, batch['label'])) - batch['image']) ** 2)
  assert mask.all() and found['reconstruction_error'] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('codes', [False, True])
def test_a_likelihood_needs_neither_an_encoder_nor_latents_that_are_numbers(vae_run, monkeypatch, codes):
  """What `eval_step` gives decides, not whether there is an encoder."""
  monkeypatch.setattr(likelihood, 'SAMPLES', 2)
  run = runs.load(vae_run)
  dataset, mesh = data.load(run.config.data), sharding.make_mesh(devices=jax.devices()[:1])
  rounded = lambda *args: jax.numpy.round(run.algorithm.encode(*args)).astype(int)
  prior = lambda *args, **options: jax.numpy.round(run.algorithm.prior(*args, **options)).astype(int)
  algorithm = run.algorithm._replace(encode=rounded, prior=prior) if codes else run.algorithm._replace(encode=None)
  model = asked.opened(algorithm, run.state, dataset, run.config, split='test', truncation=1.0, mesh=mesh)
  found = likelihood.scores(family.Inputs(None, None, 0, model)).values
  assert {'elbo', 'iw_bound_2'} <= found.keys() and 'active_units' not in found
  assert ('reconstruction_error' in found) is codes
  network = make_network('pixels', dataset, run.config)

  def evaluate_with(*families):
    settings = Settings(families, num_generated=64)
    evaluator = Evaluator(settings, network=network, dataset=dataset, config=run.config, mesh=mesh)
    return evaluator.evaluate(run.state, algorithm).scores

  assert {'kd_pixels', 'elbo'} <= evaluate_with('kernel', 'likelihood').keys()
  if codes:
    with pytest.raises(core.ArgumentError, match='path_length needs a model whose latents are numbers, not codes'):
      evaluate_with('path_length')


def test_runs_stand_in_one_table_only_with_one_protocol(gan_run, vae_run, tmp_path, capsys):
  for workdir in (gan_run, vae_run):
    evaluate.main([f'--workdir={workdir}', '--num=64', '--sets=1', '--network=pixels', '--metrics=kernel'])
  capsys.readouterr()
  evaluate.main(['--compare', str(gan_run), str(vae_run)])
  assert 'kd_pixels' in capsys.readouterr().out
  evaluate.main([f'--workdir={vae_run}', '--num=65', '--sets=1', '--network=pixels', '--metrics=kernel'])
  with pytest.raises(SystemExit):
    evaluate.main(['--compare', str(gan_run), str(vae_run)])
  assert 'cannot stand in one table: num_generated is 64 and 65' in capsys.readouterr().err


@pytest.mark.parametrize(
  'flags, message',
  [
    (['--metrics=fid'], "metrics is 'fid', which is a score of frechet; it must be some of"),
    (['--metrics=,'], 'names nothing'),
    (['--network=vgg'], "network is 'vgg', without the file of its weights: vgg:FILE; it must be pixels"),
    (['--network=pixel'], "network is 'pixel', and nearest is pixels; it must be pixels"),
    (['--network=vgg:/nowhere.pth'], '/nowhere.pth'),
    (['--num=1'], '--num is 1'),
    (['--num=0'], '--num is 0'),
    (['--network=pixels:file'], "network is 'pixels:file', but pixels has no file"),
    ([f'--out={__file__}'], 'which is a file; it must be a folder'),
    (['--sets=0'], '--sets is 0'),
    (['--truncation=0'], '--truncation is 0'),
    (['--network=pixels', '--metrics=consistency'], 'consistency needs the network that knows the labels'),
    (['--metrics=likelihood'], 'likelihood needs a model whose eval_step gives log_weight'),
    (['--network=inception:/nowhere.pth'], '/nowhere.pth'),
  ],
)
def test_a_mistake_is_one_line(gan_run, flags, message, capsys):
  with pytest.raises(SystemExit) as stop:
    evaluate.main([f'--workdir={gan_run}', '--sets=1', '--num=64', *flags])
  *told, error = capsys.readouterr().err.splitlines()
  assert stop.value.code == 2 and message in error and told in ([], ['reading the run', 'reading the data'])


def test_other_data_than_the_run_was_trained_on_are_refused(gan_run, tmp_path, capsys):
  workdir = tmp_path / 'run'
  shutil.copytree(gan_run, workdir)
  about = json.loads((workdir / 'dataset.json').read_text())
  (workdir / 'dataset.json').write_text(json.dumps(about | {'sha256': 'another'}))
  with pytest.raises(SystemExit):
    evaluate.main([f'--workdir={workdir}', '--sets=1', '--num=64', '--network=pixels', '--metrics=kernel'])
  *_, error = capsys.readouterr().err.splitlines()
  assert 'is no longer what the run was trained on' in error


def test_a_run_without_a_checkpoint_says_so(gan_run, tmp_path, capsys):
  for name in ('config.json', 'dataset.json'):
    shutil.copy(gan_run / name, tmp_path)
  with pytest.raises(SystemExit) as stop:
    evaluate.main([f'--workdir={tmp_path}'])
  *_, error = capsys.readouterr().err.splitlines()
  assert stop.value.code == 2 and error.endswith('checkpoints, for its training has saved none yet')


def test_the_report_is_written_although_nobody_reads_the_scores(gan_run, tmp_path, monkeypatch):
  def closed(*_, **__):
    raise BrokenPipeError

  monkeypatch.setattr(command, 'print', closed, raising=False)
  with pytest.raises((SystemExit, BrokenPipeError)):
    evaluate.main(
      [f'--workdir={gan_run}', '--num=64', '--sets=1', '--network=pixels', '--metrics=kernel', f'--out={tmp_path}']
    )
  assert Evaluation.from_json((tmp_path / 'evaluation.json').read_text()).scores


def test_a_comparison_measures_nothing(gan_run, capsys):
  with pytest.raises(SystemExit):
    evaluate.main(['--compare', str(gan_run), f'--workdir={gan_run}'])
  assert '--workdir measures a run; give one of them' in capsys.readouterr().err
  with pytest.raises(SystemExit) as stop:
    evaluate.main(['--compare', str(gan_run), f'{gan_run}/../{gan_run.name}'])
  assert stop.value.code == 2 and 'give the folders of two or more' in capsys.readouterr().err


def test_a_caution_that_not_all_compared_runs_have_names_its_runs(gan_run, tmp_path):
  evaluate.main([f'--workdir={gan_run}', '--num=64', '--sets=1', '--network=pixels', '--metrics=kernel'])
  found = json.loads((gan_run / 'evaluation' / 'evaluation.json').read_text())
  first, *_ = found['cautions']
  for run, own in (('a', ['of one']), ('b', [])):
    cautions = [first, *({**first, 'text': text} for text in own)]
    (tmp_path / run / 'evaluation').mkdir(parents=True)
    (tmp_path / run / 'evaluation' / 'evaluation.json').write_text(json.dumps(found | {'cautions': cautions}))
  lines = command.compare([tmp_path / 'a', tmp_path / 'b']).splitlines()
  assert lines[-2:] == [f'caution: {first["text"]}', f'caution: of one ({tmp_path / "a"})']


def test_a_folder_that_is_no_run_is_named(tmp_path, capsys):
  for flags in ([f'--workdir={tmp_path}'], ['--compare', str(tmp_path), str(tmp_path / 'other')], []):
    with pytest.raises(SystemExit):
      evaluate.main(flags)
    assert capsys.readouterr().err.count('\n') == 1


def test_a_pipe_in_the_place_of_an_evaluation_is_not_waited_for(tmp_path, capsys):
  (tmp_path / 'evaluation').mkdir()
  os.mkfifo(tmp_path / 'evaluation' / 'evaluation.json')
  with pytest.raises(SystemExit):
    evaluate.main(['--compare', str(tmp_path), str(tmp_path / 'other')])
  assert 'evaluation.json is a pipe; it must be a regular file' in capsys.readouterr().err


@pytest.mark.parametrize('content', ['[]', '{"scores": [1]}', None])
def test_a_damaged_evaluation_is_named(content, gan_run, tmp_path, capsys):
  evaluate.main([f'--workdir={gan_run}', '--num=64', '--sets=1', '--network=pixels', '--metrics=kernel'])
  found = json.loads((gan_run / 'evaluation' / 'evaluation.json').read_text())
  path = tmp_path / 'evaluation' / 'evaluation.json'
  path.parent.mkdir()
  path.write_text(content or json.dumps(found | {'scores': {'kd_pixels': None}}))
  capsys.readouterr()
  with pytest.raises(SystemExit):
    evaluate.main(['--compare', str(tmp_path), str(gan_run)])
  error = capsys.readouterr().err
  assert f'{path}: this is not an evaluation' in error and error.count('\n') == 1


@pytest.mark.parametrize(
  'changes, field',
  [
    ({'metrics': 'fid'}, 'config.evaluators.metrics'),
    ({'metrics': 'frechet', 'network': 'vgg'}, 'config.evaluators.network'),
    ({'metrics': 'frechet', 'network': 'inception'}, 'config.evaluators.network'),
    ({'metrics': 'frechet', 'network': 'pca:file'}, 'config.evaluators.network'),
    (
      {'metrics': 'frechet', 'network': 'inception:/nowhere.pth'},
      'config.evaluators.network is .*there is no file /nowhere.pth',
    ),
    ({'metrics': 'frechet', 'num_generated': 1}, 'config.evaluators.num_generated'),
    (
      {'metrics': 'consistency'},
      'config.evaluators.metrics is .consistency., but consistency needs the network that knows',
    ),
    (
      {'metrics': 'inception_score'},
      'config.evaluators.metrics is .inception_score., but inception_score needs a network that classifies',
    ),
    (
      {'metrics': 'likelihood'},
      'config.evaluators.metrics is .likelihood., but likelihood needs a model whose eval_step gives log_weight',
    ),
  ],
)
def test_a_wrong_config_is_told_before_anything_compiles(changes, field, tmp_path):
  config = tiny(conditional_dcgan.get_config())
  config.evaluators.update(changes)
  with pytest.raises(ConfigError, match=field):
    train.prepare(config, tmp_path)


@pytest.mark.parametrize(
  'section, field, value', [('evaluators', 'metrics', 'frechet'), ('checkpoint', 'best_metric', 'x')]
)
def test_nothing_is_chosen_by_private_images(section, field, value, tmp_path):
  config = tiny(conditional_dcgan.get_config())
  config.private_data = True
  train.prepare(config, tmp_path)
  config[section][field] = value
  with pytest.raises(ValueError, match=rf'config.{section}.{field} is .* while config.private_data is True'):
    train.prepare(config, tmp_path)


def test_no_range_of_values_is_chosen_by_private_images(tmp_path):
  images = np.random.default_rng(0).integers(0, 4096, (200, 16, 16)).astype(np.uint16)
  np.savez(tmp_path / 'set.npz', images=images, labels=np.arange(200) % 10)
  config = tiny(conditional_dcgan.get_config())
  config.private_data = True
  config.data.source = f'npz:{tmp_path / "set.npz"}'
  with pytest.raises(ConfigError, match=r"^config\.data\.range is 'auto' while .*; it must be said, as in '0,4095'"):
    train.prepare(config, tmp_path / 'run')
  config.data.range = '0,4095'
  train.prepare(config, tmp_path / 'run')


@pytest.mark.parametrize(
  'change',
  [
    {'examples_per_class': 10},
    {'imbalance': 5.0},
    {'validation_fraction': 0.3},
    {'flip': True},
    {'dequantise': True},
  ],
)
def test_another_treatment_of_the_data_is_another_protocol(change):
  def protocol(**fields):
    config = tiny(conditional_dcgan.get_config())
    config.data.update(fields)
    dataset = loaded(config)
    network = make_network('pixels', dataset, config)
    settings = Settings((), split='test')
    return Evaluator(settings, network=network, dataset=dataset, config=config, mesh=sharding.make_mesh()).protocol

  assert protocol() == protocol()
  assert protocol().differences(protocol(**change))


def test_rows_for_pairs_come_from_all_classes_of_a_sorted_set():
  config = tiny(conditional_dcgan.get_config())
  dataset = loaded(config)
  order = np.argsort(dataset.test.labels, kind='stable')
  test = dataclasses.replace(dataset.test, images=dataset.test.images[order], labels=dataset.test.labels[order])
  dataset = dataclasses.replace(dataset, test=test, statistics=dataset.statistics | {'decoded_sha256': 'sorted'})
  network = make_network('pixels', dataset, config)
  settings = Settings(('manifold',), split='test', num_pairwise=60)
  found = Evaluator(settings, network=network, dataset=dataset, config=config, mesh=sharding.make_mesh()).real
  assert len(found.rows) == 60 and len(set(found.row_labels)) == 10
  expected = test.images[found.positions].reshape(60, -1) / 127.5 - 1
  np.testing.assert_allclose(found.rows, expected, atol=1e-6)


def test_generated_images_do_not_depend_on_the_number_of_devices(gan_run):
  run, labels = runs.load(gan_run), np.arange(20, dtype=np.int32) % 10

  def draw(devices):
    mesh = sharding.make_mesh(devices=jax.devices()[:devices])
    state = jax.device_put(run.state, sharding.replicated(mesh))
    batches = generated_batches(run.algorithm, state, labels, seed=3, mesh=mesh)
    return np.concatenate([part for part, _ in batches]).astype(int)

  assert np.abs(draw(1) - draw(8)).max() <= 1


def test_an_evaluator_refuses_the_train_split(gan_run):
  config = runs.load(gan_run).config
  dataset = data.load(config.data)
  settings = Settings(('frechet',), split='train')
  network = make_network('pixels', dataset, config)
  with pytest.raises(ValueError, match="'validation' or 'test'"):
    Evaluator(settings, network=network, dataset=dataset, config=config, mesh=None)
