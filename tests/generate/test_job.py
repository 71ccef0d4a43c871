"""A job killed anywhere ends as one that was never interrupted; what it says about itself is true."""

import contextlib
import errno
import functools
import json
import os
import sys
import types

import jax
import numpy as np
import pytest

from gengan.data.sources import openers
from gengan.generate import guard, job, publishing, space, stream
from gengan.generate.formats import FORMATS, ledger
from gengan.host import checksums, files
from tests.generate.conftest import ALGORITHM, NAMES
from tests.generate.test_stream import EMPTY


class Killed(BaseException):
  """Stands for SIGKILL: nothing catches it."""


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
  """The sampler is compiled once; the training set is noise."""
  monkeypatch.setattr(stream, 'make_draw', functools.partial(_cached_draw))
  monkeypatch.setattr(guard, 'SAMPLES', 256)
  rng = np.random.default_rng(0)
  train, held_out = rng.integers(0, 256, (80, 16)), rng.integers(0, 256, (120, 16))
  monkeypatch.setattr(guard, 'training_features', lambda config, workdir: (train * 1.0, held_out * 1.0))


make_draw = stream.make_draw


@functools.cache
def _compiled(seed, truncation):
  return make_draw(ALGORITHM, EMPTY, seed=seed, truncation=truncation, batch_size=64)


def _cached_draw(algorithm, state, *, seed, truncation, batch_size):
  del algorithm, state, batch_size
  return _compiled(seed, truncation)


def tree(folder):
  return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.mark.parametrize('kind', FORMATS)
def test_a_job_killed_at_every_border_ends_the_same(kind, prepare, monkeypatch, tmp_path):
  options = {'format': kind, 'drop_copies': True, 'unique': 2} if kind == 'npz' else {'format': kind}
  job.run(prepare('whole/set', **options))
  whole = tree(tmp_path / 'whole' / 'set')

  passed, fatal = 0, None

  def count(original, *args, **kwargs):
    nonlocal passed
    passed += 1
    if passed == fatal:
      raise Killed
    return original(*args, **kwargs)

  for module, name in [(ledger.os, 'replace'), (files, 'sync')]:
    monkeypatch.setattr(module, name, functools.partial(count, getattr(module, name)))
  job.run(prepare('counted/set', **options))
  borders = passed  # files made durable or renamed in a whole run
  for first in np.linspace(1, borders, 7).astype(int).tolist():
    broken = prepare(f'broken{first}/set', **options)
    for later in (first, 5, None):  # killed twice
      passed, fatal = 0, later
      with contextlib.suppress(Killed):
        job.run(broken)
    assert tree(broken.out) == whole, first
    assert job.run(broken) == f'{broken.out}: complete already, 300 images'
    assert [path.name for path in broken.out.parent.iterdir()] == ['set']


def test_the_card_says_what_is_there(prepare, tmp_path):
  made = prepare('set', num=301, licence='CC0', seed=4, unique=0, discriminator_percentile=60.0)
  job.run(made)
  checksums.verify(made.out)
  card = json.loads((made.out / 'card.json').read_text())
  parts = [np.load(path) for path in sorted(made.out.glob('*.npz'))]
  labels = np.concatenate([part['labels'] for part in parts])
  counts = card['counts']
  assert counts['asked'] == 301 and counts['kept'] == len(labels) == 301 - counts['empty']
  assert counts['by_class'] == {name: int(np.sum(labels == label)) for label, name in enumerate(NAMES)}
  assert counts['drawn'] == counts['kept'] + sum(counts['dropped'].values())
  assert counts['dropped']['discriminator'] > 50 and counts['dropped'].keys() == {'discriminator', 'near_duplicate'}
  assert np.concatenate([part['index'] for part in parts]).tolist() == list(range(301))
  assert card['synthetic'] is True and card['licence'] == 'CC0' and card['request']['seed'] == 4
  assert card['training_data']['sha256'] == 'abc' and card['evaluation'] is None and not card['copying']['refused']
  text = (made.out / 'README.md').read_text()
  assert 'someone' not in text + json.dumps(card) and '301' in text and '| 1 | bee |' in text and 'CC0' in text


def evaluated(made, sha256):
  """Gives the job's run an evaluation of these weights, with every text in it that may be a path."""
  about = {'workdir': '/home/someone/runs/bees', 'source': 'folder:/home/someone/animals', 'weights_sha256': sha256}
  about['by_class'] = {'recall': {'source': 0.5, 'bee': 0.25}}
  content = {
    'scores': {'frechet': 12.5},
    'protocol': {'network': 'inception:/home/someone/weights.pth'},
    'about': about,
  }
  (made.workdir / 'evaluation').mkdir(exist_ok=True)
  (made.workdir / 'evaluation' / 'evaluation.json').write_text(json.dumps(content))


def card_of(made):
  return json.loads((made.out / 'card.json').read_text())


def test_an_evaluation_is_on_the_card_if_it_measured_these_weights_and_says_no_paths(prepare, tmp_path):
  made = prepare('evaluated', num=64)
  made.run.config.data.exclude = '/home/someone/report/exclude.json'
  evaluated(made, made.model['weights_sha256'])
  job.run(made)
  card, text = card_of(made), (made.out / 'README.md').read_text()
  assert card['evaluation']['scores'] == {'frechet': 12.5} and '"frechet": 12.5' in text
  assert card['evaluation']['about'] == {
    'workdir': 'bees',
    'source': 'folder:animals',
    'weights_sha256': made.model['weights_sha256'],
    'by_class': {'recall': {'source': 0.5, 'bee': 0.25}},
  }
  assert card['evaluation']['protocol'] == {'network': 'inception:weights.pth'}
  assert card['config']['data']['exclude'] == 'exclude.json' and card['config']['data']['data_dir'] == ''
  assert card['config']['data']['source'] == card['training_data']['source'] == 'folder:animals'
  for path in made.out.iterdir():
    for place in ('someone', str(tmp_path)):
      assert place.encode() not in path.read_bytes(), path


@pytest.mark.parametrize('content', ['other weights', '{"scores": {"frechet": 12.5}, "about": {}}', '[]', '{"sco'])
def test_an_evaluation_of_other_or_unknown_weights_is_not_on_the_card(content, prepare):
  made = prepare('set', num=64)
  evaluated(made, 'abc')
  if content != 'other weights':
    (made.workdir / 'evaluation' / 'evaluation.json').write_text(content)
  job.run(made)
  text = (made.out / 'README.md').read_text()
  assert card_of(made)['evaluation'] is None and 'no evaluation of these weights' in text and '12.5' not in text


def test_an_evaluation_between_a_kill_and_the_restart_changes_no_byte(prepare, monkeypatch):
  job.run(whole := prepare('whole/set', num=64))
  broken = prepare('broken/set', num=64)
  with monkeypatch.context() as patched, contextlib.suppress(Killed):
    patched.setattr(ledger.Ledger, 'record', lambda *args: killed())
    job.run(broken)
  evaluated(broken, broken.model['weights_sha256'])
  job.run(broken)
  assert tree(broken.out) == tree(whole.out)


def killed():
  raise Killed


def test_paths_are_reduced_to_their_last_part():
  before = {'source': 'digits', 'exclude': '', 'deep': [{'workdir': 'runs/x', 'source': 'tfds:cifar10:3.0.2'}], 'n': 1}
  after = {'source': 'digits', 'exclude': '', 'deep': [{'workdir': 'x', 'source': 'tfds:cifar10:3.0.2'}], 'n': 1}
  assert publishing.without_places(before) == after
  assert publishing.without_places({'exclude': '/a:b/exclude.json'}) == {'exclude': 'exclude.json'}


def test_an_error_before_the_first_shard_leaves_nothing_behind(prepare, monkeypatch, tmp_path):
  judge = types.ModuleType('judge')
  judge.wide = lambda images: np.zeros(len(images))
  monkeypatch.setitem(sys.modules, 'judge', judge)
  with pytest.raises(ValueError, match='the classifier gave'):
    job.run(prepare('set', classifier='judge:wide', min_confidence=0.5))
  assert not list(tmp_path.glob('set*'))
  with monkeypatch.context() as patched, pytest.raises(Killed):
    patched.setattr(guard, 'check', lambda *args, **kwargs: killed())
    job.run(prepare('set', num=64))
  assert (tmp_path / 'set.partial').exists()  # after a kill the same command goes on
  job.run(prepare('set', num=64))


def test_images_are_the_same_in_every_format_and_shard_size(prepare, tmp_path):
  job.run(prepare('a'))
  job.run(prepare('b', shard_size=64))
  job.run(prepare('c', format='folder', num=100))
  a, b = (
    np.concatenate([np.load(path)['images'] for path in sorted((tmp_path / name).glob('*.npz'))]) for name in 'ab'
  )
  np.testing.assert_array_equal(a, b)
  from PIL import Image

  for line in (tmp_path / 'c/train/metadata.jsonl').read_text().splitlines():
    known = json.loads(line)
    np.testing.assert_array_equal(
      np.asarray(Image.open(tmp_path / 'c/train' / known['file_name'])), a[known['index'], ..., 0]
    )


def test_unconditional_models_have_no_labels(prepare, tmp_path):
  job.run(prepare('set', conditional=False, num=64))
  assert set(np.load(tmp_path / 'set' / 'images.npz').files) == {'images', 'index', 'provenance'}
  assert '| label |' not in (tmp_path / 'set' / 'README.md').read_text()
  with pytest.raises(ValueError, match='unconditional'):
    prepare('set', conditional=False, labels=(1,))
  with pytest.raises(ValueError, match='has 3; the classes of this run are 0 to 2'):
    prepare('set', labels=(1, 3))


def test_a_generator_that_copies_is_refused_unless_allowed(prepare, monkeypatch, tmp_path):
  images = stream.fill(_compiled(0, 1.0), np.arange(512), stream.labels_of(np.arange(512), [0, 1, 2])).images
  copied = images.reshape(512, -1).astype(np.float32)
  held_out = np.random.default_rng(0).integers(0, 256, (120, 16)).astype(np.float32)
  monkeypatch.setattr(guard, 'training_features', lambda config, workdir: (copied, held_out))
  with pytest.raises(ValueError, match=r'copies its training images: .*512 training .* --allow_copies$') as error:
    job.run(prepare('set'))
  assert '\n' not in str(error.value) and not list(tmp_path.glob('set*'))
  job.run(prepare('set'), allow_copies=True)
  card = json.loads((tmp_path / 'set' / 'card.json').read_text())
  assert card['copying']['refused'] and card['copying']['text'] in (tmp_path / 'set' / 'README.md').read_text()

  def unreadable(config, workdir):
    raise FileNotFoundError('/home/someone/animals is gone')

  monkeypatch.setattr(guard, 'training_features', unreadable)
  with pytest.raises(
    ValueError,
    match=r'^nobody can tell whether it copies: .* is gone\. To export .* --allow_copies$',
  ):
    job.run(prepare('unchecked'))
  with pytest.raises(
    ValueError,
    match=r'^--drop_copies cannot tell what is a copy: Not checked: .* compared$',
  ):
    job.run(prepare('unchecked', drop_copies=True), allow_copies=True)
  job.run(prepare('unread', num=64), allow_copies=True)
  assert 'Not checked' in (tmp_path / 'unread' / 'README.md').read_text()


def test_what_cannot_be_found_stays_empty_or_is_told(prepare, monkeypatch, tmp_path):
  judge = types.ModuleType('judge')
  judge.certain = lambda images: np.eye(3)[np.full(len(images), 1)]  # everything is a bee
  monkeypatch.setitem(sys.modules, 'judge', judge)
  options = {'classifier': 'judge:certain', 'min_confidence': 0.5, 'max_attempts': 2}
  assert job.run(prepare('some', **options)) == f'{tmp_path / "some"}: 100 images, 200 not found'
  card = json.loads((tmp_path / 'some' / 'card.json').read_text())
  assert card['counts']['by_class'] == {'ant': 0, 'bee': 100, 'cat': 0}
  assert card['counts']['drawn'] == 500 and card['counts']['dropped'] == {'confidence': 400}
  with pytest.raises(
    ValueError, match=r'none of the images 0 to 127 was found in 2 attempts each; dropped: 256 by conf'
  ):
    job.run(prepare('none', labels=(0,), **options))
  assert job.run(prepare('gap', labels=(1,) * 128 + (0,) * 128 + (1,) * 44, **options)).endswith(
    '172 images, 128 not found'
  )
  assert [len(np.load(path)['images']) for path in sorted((tmp_path / 'gap').glob('*.npz'))] == [128, 0, 44]
  whole = openers.open_source(f'npz:{tmp_path / "gap"}').splits['train']
  assert whole.labels.tolist() == [1] * 172 and whole.read(171).shape == (4, 4, 1)
  with pytest.raises(ValueError, match='module:function'):
    job.run(prepare('unknown', **options | {'classifier': 'judge:nobody'}))


@pytest.mark.parametrize('conditional', [True, False])
def test_labels_can_be_those_of_a_judge(prepare, monkeypatch, tmp_path, conditional):
  judge = types.ModuleType('judge')
  judge.by_brightness = lambda images: np.eye(3)[(images[:, 0, 0, 0] > 0) + 1]  # a bee, or a cat where it is bright
  monkeypatch.setitem(sys.modules, 'judge', judge)
  options = {'classifier': 'judge:by_brightness', 'relabel': True, 'conditional': conditional}
  job.run(prepare('judged', **options))
  asked = [np.load(path) for path in sorted((tmp_path / 'judged').glob('*.npz'))]
  images, labels = (np.concatenate([shard[key] for shard in asked]) for key in ('images', 'labels'))
  np.testing.assert_array_equal(labels, (images[:, 0, 0, 0] > 127) + 1)
  card = json.loads((tmp_path / 'judged' / 'card.json').read_text())
  assert card['counts']['by_class'] == {'ant': 0, 'bee': int(np.sum(labels == 1)), 'cat': int(np.sum(labels == 2))}
  assert 0 < card['counts']['by_class']['bee'] < 300 == card['counts']['kept']
  page = (tmp_path / 'judged' / 'README.md').read_text()
  if conditional:  # in turn: ant, bee, cat
    assert card['counts']['relabelled'] == np.sum(labels != np.arange(300) % 3)
  assert ('were asked for as another class' in page) == conditional and 'what a classifier found in it' in page
  assert 'judged: complete already' in job.run(prepare('judged', **options))
  judge.by_brightness = lambda images: np.eye(2)[np.zeros(len(images), int)]
  with pytest.raises(ValueError, match=r'the classifier gave \[128, 2\] for 128 images of 3 classes'):
    job.run(prepare('wrong', **options))


def test_without_a_judge_gengans_own_classifier_decides_and_stays_the_same(prepare, monkeypatch, tmp_path):
  class Own:
    sha256 = 'first'

    def __call__(self, images):
      return np.eye(3)[np.full(len(images), 2)], None  # everything is a cat

  monkeypatch.setattr(job.runs, 'training_data', lambda config, workdir: None)
  monkeypatch.setattr(job, 'data_classifier', lambda dataset, config: Own())
  options = {'min_confidence': 0.5, 'max_attempts': 1}
  job.run(prepare('own', **options))
  assert json.loads((tmp_path / 'own' / 'card.json').read_text())['counts']['by_class'] == {
    'ant': 0,
    'bee': 0,
    'cat': 100,
  }
  with monkeypatch.context() as patched, contextlib.suppress(Killed):
    patched.setattr(publishing, 'publish', lambda *args: killed())
    job.run(prepare('begun', **options))
  Own.sha256 = 'second'
  for path in (tmp_path / 'begun.partial' / 'receipts').glob('*1.json'):
    path.unlink()  # as after a kill in the second shard
  with pytest.raises(ValueError, match='differs from that of the shards'):
    job.run(prepare('begun', **options))
  assert list((tmp_path / 'begun.partial' / 'receipts').iterdir())


def test_real_images_that_are_gone_name_the_flag_that_wants_them(prepare, monkeypatch):
  def moved(config, workdir):
    raise FileNotFoundError('idx:gone: there is no such folder')

  monkeypatch.setattr(job.runs, 'training_data', moved)
  with pytest.raises(ValueError, match=r'^--min_confidence without --classifier .* idx:gone: there is no such folder'):
    job.run(prepare('set', min_confidence=0.5))


def test_taken_places_and_other_settings_are_refused(prepare, tmp_path):
  (tmp_path / 'taken').mkdir()
  with pytest.raises(ValueError, match='exists already'):
    job.run(prepare('taken'))
  job.run(prepare('set', num=64))
  with pytest.raises(ValueError, match=r'seed 0 there and 1 here'):
    job.run(prepare('set', num=64, seed=1))


def test_a_set_is_made_by_one_version_on_one_kind_of_device(prepare, monkeypatch):
  job.run(prepare('whole'))
  with monkeypatch.context() as patched, contextlib.suppress(Killed):
    patched.setattr(publishing, 'publish', lambda *args: killed())
    job.run(prepare('begun'))
  monkeypatch.setattr(jax, '__version__', '9.9.9')
  with pytest.raises(ValueError, match=r'\.partial was begun with other settings: jax ".*" there and "9\.9\.9" here'):
    job.run(prepare('begun'))
  assert 'complete already' in job.run(prepare('whole'))


@pytest.mark.parametrize('harm', ['flipped', 'deleted', 'receipt'])
def test_a_shard_that_was_damaged_after_a_kill_is_made_again(harm, prepare, monkeypatch, tmp_path):
  options = {'unique': 2, 'shard_size': 64}
  job.run(prepare('whole/set', **options))
  broken = prepare('broken/set', **options)
  with monkeypatch.context() as patched, pytest.raises(Killed):
    patched.setattr(publishing, 'publish', lambda *args: killed())
    job.run(broken)
  partial = tmp_path / 'broken' / 'set.partial'
  path = sorted(path for path in (partial / 'data').rglob('*') if path.is_file())[1]
  if harm == 'flipped':
    path.write_bytes(path.read_bytes()[:-1] + b'?')
  elif harm == 'deleted':
    path.unlink()
  else:
    (partial / 'receipts' / '00001.json').write_text('')
  job.run(broken)
  assert tree(tmp_path / 'broken' / 'set') == tree(tmp_path / 'whole' / 'set')


def test_a_set_that_is_no_longer_whole_is_not_called_complete(prepare, monkeypatch):
  made = prepare('set')
  job.run(made)
  loaded = {}
  monkeypatch.chdir(made.out.parent)
  exec(json.loads((made.out / 'card.json').read_text())['load'], loaded)
  assert len(loaded['images']) == len(loaded['labels']) == 300  # of all three shards
  (made.out / 'images-00001-of-00003.npz').unlink()
  with pytest.raises(ValueError, match=r'images-00001-of-00003\.npz is missing'):
    job.run(made)
  for content in ('{', '{}', '[]'):
    (made.out / 'card.json').write_text(content)
    with pytest.raises(ValueError, match=r'card\.json is damaged: '):
      job.run(made)


@pytest.mark.parametrize('kind', FORMATS)
def test_classes_of_one_name_are_told_apart_before_anything_is_drawn(kind, prepare, monkeypatch, caplog):
  monkeypatch.setattr('tests.generate.conftest.NAMES', ('crane', 'ship', 'crane'))
  made = prepare('set', format=kind, num=128)
  assert "label 2, 'crane', is called 'crane_2'" in caplog.text
  job.run(made)
  card, page = card_of(made), (made.out / 'README.md').read_text()
  assert card['class_names'] == ['crane', 'ship', 'crane_2']
  assert card['counts']['by_class'] == {'crane': 43, 'ship': 43, 'crane_2': 42}
  assert sum(card['counts']['by_class'].values()) == card['counts']['kept'] == 128
  assert '| 2 | crane_2 | 42 |' in page
  assert [path.name for path in made.out.parent.glob('*') if 'partial' in path.name] == []


@pytest.mark.parametrize('kind', FORMATS)
def test_a_set_that_does_not_fit_on_the_disk_is_refused_before_it_is_drawn(kind, prepare, monkeypatch, tmp_path):
  job.run(whole := prepare('whole', format=kind, num=300))
  taken = sum(512 * path.stat().st_blocks for path in whole.out.rglob('*') if path.is_file())
  sizes = []
  measured = space.size
  monkeypatch.setattr(space, 'size', lambda *args: sizes.append(measured(*args)) or sizes[-1])
  usage = lambda free: lambda path: types.SimpleNamespace(free=free)
  monkeypatch.setattr(space.shutil, 'disk_usage', usage(1000))
  with pytest.raises(ValueError, match=rf'^300 images as {kind} take about .* MiB, and 0\.0 MiB are free on'):
    job.run(prepare('set', format=kind, num=300))
  assert not list(tmp_path.glob('set*'))
  assert 0.4 * taken < sizes[0] * 300 / 64 < 2.5 * taken  # a card and its like lie beside small images
  monkeypatch.setattr(space.shutil, 'disk_usage', usage(sizes[0] * 300 // 64))
  assert job.run(prepare('set', format=kind, num=300)).endswith('set: 300 images')


@pytest.mark.parametrize('when', [0, 2])
def test_a_disk_that_gets_full_is_one_line_and_what_was_finished_is_kept(when, prepare, monkeypatch, tmp_path):
  job.run(prepare('whole/set'))
  written = []

  def full(original, root, about, shard):
    if root.name == 'set.partial':
      written.append(shard.number)
      if len(written) > when:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(root / 'tmp' / 'x'))
    return original(root, about, shard)

  with monkeypatch.context() as patched:
    patched.setattr(FORMATS['npz'], 'write_shard', functools.partial(full, FORMATS['npz'].write_shard))
    with pytest.raises(ValueError, match=r'set is not finished: No space left on device: .*tmp/x; ') as caught:
      job.run(prepare('broken/set'))
  kept = f'{when} of 3 shards are kept, and the same command goes on' if when else 'nothing is kept'
  assert str(caught.value).endswith(kept)
  assert (tmp_path / 'broken' / 'set.partial').exists() == bool(when)
  job.run(prepare('broken/set'))
  assert tree(tmp_path / 'broken' / 'set') == tree(tmp_path / 'whole' / 'set')
