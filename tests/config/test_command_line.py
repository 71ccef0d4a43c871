"""A config from its file, and the changes that a command line makes in it."""

import pathlib

import pytest
from absl import flags

from configs import conditional_dcgan, dcgan
from configs.utility import digits
from gengan.config import ConfigError, command_line
from gengan.host.files import write_json

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize(
  ('value', 'message'),
  [
    (
      'configs/nope.py',
      r'there is no such file; it must be one of art, .*, a Python file with get_config\(\), or a run',
    ),
    ('', 'there is no such file'),
    ('configs/', r'that is a folder without a config\.json'),
    ('dcgn:mnist', r'there is no such file, did you mean --config=dcgan\? It must be one of art,'),
    ('DCGAN', r'did you mean --config=dcgan\?'),
    ('../elsewhere/configs/VAE.py', r'did you mean --config=vae\?'),
    ('configs/dcagn.py', r'did you mean --config=dcgan\?'),
    ('digits', r'did you mean --config=utility/digits\?'),
    ('dcgan:nope', "'nope'; it must be one of digits, mnist"),
    ('{tmp}/run:mnist', 'a saved config has no variants'),
    ('{tmp}/torn.json', r'torn\.json is damaged: '),
    ('{tmp}/prose.md', 'is not Python: .* in line 2 of'),
    ('gengan/losses.py', r'has no get_config\(\)'),
    ('configs/dcgan.py:nope', "'nope'; it must be one of digits, mnist"),
    ('{tmp}/nothing.py', 'gives no ConfigDict'),
    ('{tmp}/nothing.py:variant', r'its get_config\(\) takes no variant'),
    ('{tmp}/needs.py', r'its get_config\(\) needs one: FILE:VARIANT'),
    ('{tmp}/binary.py', 'is not Python: source code string cannot contain null bytes'),
    ('{tmp}/nothing', r'did you mean --config=.*nothing\.py\? It must'),
    ('{tmp}/reads.py', "No such file or directory: 'nowhere'"),
    ('{tmp}/broken.py', r'AttributeError in line 4 of .*broken\.py: .*modle'),
    ('{tmp}/broken.py:division', r'ZeroDivisionError in line 6 of .*broken\.py: division by zero'),
  ],
)
def test_a_file_that_gives_no_config_is_told(value, message, tmp_path, monkeypatch):
  monkeypatch.chdir(ROOT)
  (tmp_path / 'nothing.py').write_text('def get_config():\n  pass\n')
  (tmp_path / 'reads.py').write_text('def get_config():\n  open("nowhere")\n')
  (tmp_path / 'broken.py').write_text(
    'from gengan.config import defaults\ndef get_config(variant=""):\n'
    '  if not variant:\n    defaults.gan().modle\n  else:\n    1 / 0\n'
  )
  (tmp_path / 'needs.py').write_text('def get_config(variant):\n  pass\n')
  (tmp_path / 'binary.py').write_bytes(b'a = 1\x00')
  (tmp_path / 'prose.md').write_text('# A heading\nand some words\n')
  (tmp_path / 'run').mkdir()
  (tmp_path / 'run' / 'config.json').write_text('{}')
  (tmp_path / 'torn.json').write_text('{"seed"')
  with pytest.raises(ValueError, match=rf'^--config=.*{message}') as error:
    command_line.load(value.format(tmp=tmp_path))
  assert '\n' not in str(error.value)


def test_a_saved_config_of_any_depth_loads_or_is_a_line(tmp_path):
  path, told = tmp_path / 'deep.json', []
  for depth in (10, *range(600, 1000, 10), 10**5):  # between two limits it is read as JSON, but not as a config
    path.write_text(f'{{"seed": {"[" * depth}{"]" * depth}}}')
    try:
      assert isinstance(command_line.load(str(path)).config.seed, tuple)
    except ValueError as error:
      told.append(str(error))
  assert told and all('deep.json is damaged: ' in line and '\n' not in line for line in told)


@pytest.mark.parametrize('beside', [False, True], ids=['', 'beside a configs/ of its own'])
def test_a_recipe_is_found_by_its_name_from_any_folder(beside, tmp_path, monkeypatch, caplog):
  (tmp_path / 'configs').mkdir()
  if beside:
    for name in ('__init__', 'defaults', 'vae'):
      (tmp_path / 'configs' / f'{name}.py').write_text('1 / 0')
  monkeypatch.chdir(tmp_path)
  monkeypatch.syspath_prepend(str(tmp_path))
  for value, expected, name in [
    ('dcgan', dcgan.get_config(), 'dcgan'),
    ('dcgan:mnist', dcgan.get_config('mnist'), 'dcgan-mnist'),
    ('utility/digits', digits.get_config(), 'digits'),
    (f'{ROOT}/configs/dcgan.py:mnist', dcgan.get_config('mnist'), 'dcgan-mnist'),
  ]:
    found = command_line.load(value)
    assert (found.config.to_dict(), found.name) == (expected.to_dict(), name) and not caplog.records
  assert command_line.load('configs/dcgan.py').config.to_dict() == dcgan.get_config().to_dict()
  assert f'there is no configs/dcgan.py here: reading {ROOT}/configs/dcgan.py' in caplog.text


def test_a_file_gives_its_config_and_its_variant(monkeypatch, tmp_path):
  monkeypatch.chdir(ROOT)
  assert command_line.load('configs/dcgan.py').config.to_dict() == dcgan.get_config().to_dict()
  assert command_line.load('configs/dcgan.py:mnist').config.to_dict() == dcgan.get_config('mnist').to_dict()
  monkeypatch.setenv('HOME', str(tmp_path))
  (tmp_path / 'a:b.py').write_text('from gengan.config import defaults\nget_config = defaults.vae')
  for value in ('~/a:b.py', f'{tmp_path}/a:b.py:mnist'):
    assert command_line.load(value).config.model.name == 'gengan.models.conv_vae'
  assert command_line.load(value).name == 'a:b-mnist'


def test_a_name_is_the_recipe_also_beside_a_file_of_that_name(monkeypatch, tmp_path, caplog):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'dcgan').mkdir()
  assert command_line.load('dcgan').path == ROOT / 'configs/dcgan.py' and not caplog.records
  (tmp_path / 'dcgan' / 'config.json').write_text('{"seed": 3}')
  assert command_line.load('dcgan').path == ROOT / 'configs/dcgan.py'
  assert '--config=./dcgan means what is here' in caplog.text
  assert command_line.load('./dcgan').config.to_dict() == {'seed': 3}


@pytest.mark.parametrize('made', [dcgan.get_config(), digits.get_config()], ids=['training', 'comparison'])
def test_the_config_of_a_run_comes_back_from_its_folder_and_can_be_changed(made, tmp_path):
  run = tmp_path / 'my run'
  write_json(run / 'config.json', made.to_dict())
  for value in (run, run / 'config.json'):
    found = command_line.load(str(value))
    assert found.config.to_dict() == made.to_dict() and found.name == 'my run'
  field = 'regimes=(1,2)' if 'regimes' in made else 'batch_size=7'
  command_line.change(found.config, [f'--config.{field}'])
  assert found.config.get('regimes', (1, 2)) == (1, 2) and found.config.get('batch_size', 7) == 7


@pytest.mark.parametrize(
  ('argv', 'rest', 'changes'),
  [
    (['--config=a', '--config.seed=3'], ['--config=a'], ['--config.seed=3']),
    (['--config', 'a', '--config.seed', '3', 'b'], ['--config', 'a', 'b'], ['--config.seed=3']),
    (['-config=a', '-config.mesh.data', '-1'], ['--config=a'], ['-config.mesh.data=-1']),
    (['--config.data.flip', '--workdir=b'], ['--workdir=b'], ['--config.data.flip']),
    (['--noconfig.data.flip', 'b'], ['b'], ['--noconfig.data.flip']),
    (['--config.data.source=folder:a b', '--configure'], ['--configure'], ['--config.data.source=folder:a b']),
    (['--config.data.exclude='], [], ['--config.data.exclude=']),
  ],
)
def test_changes_are_found_however_they_are_written(argv, rest, changes):
  assert command_line.split(argv) == (rest, changes)


def test_fields_are_changed_in_place_and_nothing_global_is():
  config = dcgan.get_config()
  changes = ['-config.seed=3', '--noconfig.data.crop', '--config.data.flip', '--config.loss=hinge']
  before = list(flags.FLAGS)
  command_line.change(config, [*changes, '--config.terms.r1=2', '--config.optimizers.generator.learning_rate=1e-3'])
  assert (config.seed, config.data.crop, config.data.flip, config.loss) == (3, False, True, 'hinge')
  assert config.terms.r1 == 2.0 and config.optimizers.generator.learning_rate == 1e-3
  assert list(flags.FLAGS) == before and 'config' not in before


def test_lists_are_given_whole_or_one_by_one():
  config = digits.get_config()
  command_line.change(config, ['--config.regimes=(10,0)', '--config.generator_steps=5', '--config.generator_steps=6'])
  assert (config.regimes, config.generator_steps) == ((10, 0), (5, 6))
  command_line.change(config, ['--config.ratios=()', '--config.seeds=2', '--config.seeds=4'])
  assert (config.ratios, config.seeds) == ((), 4)
  with pytest.raises(ValueError, match='0 is not a valid index'):
    command_line.change(config, ['--config.regimes[0]=3'])


@pytest.mark.parametrize('wrong', ['--config.model.wdth=3', '--noconfig.model.wdth', '-config.model.wdth'])
def test_a_field_that_is_not_there_is_told(wrong):
  with pytest.raises(ValueError, match=r"^config\.model has no field 'wdth'; did you mean 'width'\?"):
    command_line.change(dcgan.get_config(), [wrong])


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ('--config.batch_size=many', "^config.batch_size is 'many'; it must be a whole number$"),
    ('--config.terms.r1=some', "^config.terms.r1 is 'some'; it must be a number$"),
    ('--config.data.flip=maybe', "^config.data.flip is 'maybe'; it must be true or false$"),
    ('--config.data=3', "^config.data is '3'; it must be a section"),
    ('--config.batch_size', 'Missing value for flag'),
  ],
)
def test_a_value_of_another_type_is_told(change, message):
  with pytest.raises(ValueError, match=message) as error:
    command_line.change(dcgan.get_config(), [change])
  assert '\n' not in str(error.value)


def test_a_schedule_is_changed_by_its_fields_or_gives_way_to_a_number():
  config = conditional_dcgan.get_config('mnist')
  path = '--config.optimizers.generator.learning_rate'
  command_line.change(config, [f'{path}.end=1e-5', f'{path}.schedule=cosine', f'{path}.kimg=10'])
  assert config.optimizers.generator.learning_rate.to_dict() == {
    'schedule': 'cosine', 'start': 2e-4, 'end': 1e-5, 'kimg': 10.0, 'warmup_kimg': 0.0,
  }  # fmt: skip
  assert config.optimizers.discriminator.learning_rate.end == 0.0
  for text in ('fast', 'True', '', '[1]'):
    message = r"learning_rate is ('fast'|True|''|\[1\]); it must be a number, or a schedule such as \{'end': 1e-05, "
    with pytest.raises(ConfigError, match=message):
      command_line.change(config, [f'{path}={text}'])
  command_line.change(config, [f'{path}=1e-3'])
  assert config.optimizers.generator.learning_rate == 1e-3


def test_a_number_gives_way_to_a_schedule():
  config = dcgan.get_config()
  section = {'schedule': 'linear', 'start': 0.1, 'end': 0.0, 'kimg': 1.0}
  command_line.change(config, [f'--config.terms.r1={section}'])
  assert config.terms.r1.to_dict() == section
  with pytest.raises(ValueError, match=r"^config\.terms\.r2\.schedule is 'square'; it must be one of constant, linear"):
    command_line.change(config, ["--config.terms.r2={'schedule': 'square'}"])
