"""Modules outside gengan that a saved config names: none is imported before its user has said so, once."""

import json
import pathlib
import shlex
import stat
import sys

import pytest

from configs import dcgan
from gengan.config import arguments, trust
from gengan.host.files import write_json
from gengan.host.names import printable


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
  """A state folder of this test's own."""
  monkeypatch.setenv('XDG_STATE_HOME', str(tmp_path / 'state'))
  return tmp_path / 'state' / 'gengan' / 'trusted'


@pytest.fixture
def imported(tmp_path, monkeypatch):
  """Whether the module `stranger.evil` or the module `judge` has been imported; both leave a mark."""
  (tmp_path / 'stranger').mkdir()
  for path in ('stranger/evil.py', 'judge.py'):
    (tmp_path / path).write_text(f'open({str(tmp_path / "RAN")!r}, "w")\nFAMILY = None\n')
  monkeypatch.syspath_prepend(str(tmp_path))
  monkeypatch.chdir(tmp_path)
  yield (tmp_path / 'RAN').exists
  for name in ('stranger', 'stranger.evil', 'judge'):
    sys.modules.pop(name, None)


def config_of(name='stranger.evil', metrics=''):
  config = dcgan.get_config()
  config.model.name, config.evaluators.metrics = name, metrics
  return config


def test_what_leads_to_an_import_is_found_wherever_it_stands():
  assert trust.foreign(config_of('gengan.models.dcgan', 'frechet, gengan.metrics.kernel')) == ()
  assert trust.foreign(config_of('my_gan')) == ('my_gan',)
  assert trust.foreign(config_of('gengan_not.quite', 'frechet, b.metric ,a.metric')) == (
    *('a.metric', 'b.metric', 'gengan_not.quite'),
  )
  assert trust.foreign({'generator': {'model': {'name': 'c'}, 'evaluators': {'metrics': 'd.e'}}}) == ('c', 'd.e')


REFUSED = r"config\.json names stranger\.evil, code that is not gengan's .*--trust=stranger\.evil \("


def test_a_run_is_refused_with_what_it_would_import_and_trusted_once(tmp_path, imported):
  from gengan import runs

  workdir = tmp_path / 'a run'
  write_json(workdir / 'config.json', config_of().to_dict())
  for given in ((), 'stranger.ev', ['evil', 'strange'], ''):
    with pytest.raises(ValueError, match=REFUSED):
      runs.load(workdir, trust=given)
  assert not imported()
  for given in ('other,stranger', ()):  # remembered
    with pytest.raises(ValueError, match=r'which has no make\(config\)'):  # it was imported
      runs.load(workdir, trust=given)
  assert imported()
  changed = config_of(metrics='stranger.evil')
  write_json(workdir / 'config.json', changed.to_dict())
  with pytest.raises(ValueError, match=REFUSED):
    runs.load(workdir)


@pytest.mark.parametrize('name', ['a\x1b[2Jb', 'a; rm -rf b', 'a\nb', 'a\0b', '$(a)'])
def test_a_name_that_is_no_module_reaches_neither_terminal_nor_shell(tmp_path, state, name):
  with pytest.raises(ValueError, match='names ') as caught:
    trust.require(config_of(name), where='config.json')
  text = str(caught.value)
  flag = next(word for word in shlex.split(text.partition('once: ')[2].partition(' (in Python')[0]))
  assert text.isprintable() and flag == f'--trust={printable(name)}'
  trust.require(config_of(name), name, where='config.json')
  assert len(state.read_text().splitlines()) == 1


def test_who_trained_a_run_is_not_asked_wherever_it_lies_then(tmp_path, imported, state):
  from gengan import data, runs

  config = config_of()
  config.data.image_size = 8
  dataset = data.load(config.data)
  runs.create(tmp_path / 'own', config, dataset)
  assert stat.S_IMODE(state.stat().st_mode) == 0o600
  (tmp_path / 'own').rename(tmp_path / 'moved')
  with pytest.raises(ValueError, match=r'which has no make\(config\)'):
    runs.load(tmp_path / 'moved')
  runs.create(tmp_path / 'own', config, dataset)
  assert len(state.read_text().splitlines()) == 1
  state.unlink()  # another machine, or another user
  with pytest.raises(ValueError, match=REFUSED):
    runs.load(tmp_path / 'moved')


def test_a_home_that_cannot_be_written_is_told_and_asked_for_each_time(tmp_path, imported, monkeypatch, caplog):
  (tmp_path / 'state').write_text('a file')
  trust.require(config_of().to_dict(), 'stranger', where='a/config.json')
  assert 'cannot be written' in caplog.text and 'will need --trust=stranger.evil' in caplog.text
  with pytest.raises(ValueError, match=REFUSED):
    trust.require(config_of().to_dict(), where='a/config.json')


def parsed(*argv):
  parser = arguments.parser('tool', 'Does it.')
  arguments.add_config(parser)
  return arguments.parse(parser, argv).config


def test_a_saved_config_is_trusted_as_a_run_is(tmp_path, imported, capsys):
  write_json(tmp_path / 'run/config.json', config_of('gengan.models.dcgan', 'frechet,stranger.evil').to_dict())
  with pytest.raises(SystemExit):
    parsed('--config=run', '--config.seed=3')
  error = capsys.readouterr().err
  assert error.startswith('gengan.tool: run/config.json names stranger.evil') and error.count('\n') == 1
  assert parsed('--config=run', '--config.evaluators.metrics=frechet').evaluators.metrics == 'frechet'
  assert parsed('--config=run', '--trust=stranger').seed == 0
  assert parsed('--config=run', '--config.seed=3').seed == 3
  assert not imported()


def test_what_a_user_names_on_the_command_line_is_the_users(tmp_path, imported):
  write_json(tmp_path / 'run/config.json', dcgan.get_config().to_dict())
  assert parsed('--config=run', '--config.model.name=judge').model.name == 'judge'
  pathlib.Path('mine.py').write_text(
    'from gengan.config import defaults\ndef get_config():\n  c = defaults.gan()\n  c.model.name = "judge"\n  return c'
  )
  assert parsed('--config=mine.py').model.name == 'judge'


def test_a_flag_beside_somebodys_run_names_code_too(tmp_path, imported, monkeypatch):
  trust.require_modules(['gengan.networks.classifier'], flag='--classifier')
  with pytest.raises(ValueError, match=r"^--classifier names judge, code that is not gengan's .*--trust=judge \("):
    trust.require_modules(['judge'], flag='--classifier')
  trust.require_modules(['judge'], 'judge', flag='--classifier')
  trust.require_modules(['judge'], flag='--classifier')
  (tmp_path / 'elsewhere').mkdir()
  (tmp_path / 'judge.py').rename(tmp_path / 'elsewhere/judge.py')
  monkeypatch.syspath_prepend(str(tmp_path / 'elsewhere'))
  with pytest.raises(ValueError, match='--classifier names judge'):  # another module of that name
    trust.require_modules(['judge'], flag='--classifier')
  assert not imported()


def test_verbs_refuse_before_anything_is_imported(tmp_path, imported, capsys):
  from gengan.evaluate.__main__ import main as evaluate
  from gengan.generate.__main__ import main as generate
  from gengan.sample.__main__ import main as sample

  write_json(tmp_path / 'run/config.json', config_of().to_dict())
  write_json(tmp_path / 'run/dataset.json', {'class_names': ['a', 'b'], 'source': 'digits'})
  write_json(tmp_path / 'fair/config.json', dcgan.get_config().to_dict())
  write_json(tmp_path / 'fair/dataset.json', {'class_names': ['a', 'b'], 'source': 'digits'})
  for main, argv, names in [
    (sample, ['--workdir=run'], 'stranger.evil'),
    (evaluate, ['--workdir=run'], 'stranger.evil'),
    (generate, ['--workdir=run', '--num=1', '--out=set'], 'stranger.evil'),
    (generate, ['--workdir=fair', '--num=1', '--out=set', '--classifier=judge:f', '--relabel'], 'judge'),
    (evaluate, ['--workdir=fair', '--metrics=stranger.evil'], 'stranger.evil'),
  ]:
    with pytest.raises(SystemExit) as ended:
      main(argv)
    error = capsys.readouterr().err
    *_, last = error.splitlines()  # after what evaluate says of its stages
    assert ended.value.code == 2 and f'--trust={names} (' in last and 'Traceback' not in error, error
  assert not imported() and not (tmp_path / 'set').exists()


def test_what_is_remembered_can_be_read_by_people(tmp_path, state):
  trust.remember(json.loads(json.dumps(config_of('my_gan').to_dict())), where=tmp_path / 'run')
  digest, modules, where = state.read_text().split(maxsplit=2)
  assert len(digest) == 64 and modules == 'my_gan' and where.strip() == repr(str(tmp_path / 'run'))
  trust.remember(dcgan.get_config(), where=tmp_path)  # gengan's own needs no line
  assert len(state.read_text().splitlines()) == 1
