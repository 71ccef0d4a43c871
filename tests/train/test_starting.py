"""Runs that begin with another run's weights: what is taken, what is told, and that it is read once."""

import json
import shutil

import jax
import numpy as np
import pytest

from configs import dcgan
from gengan import runs, sharding, train
from gengan.config import ConfigError
from gengan.runs import leaves
from gengan.train import starting


def tiny(**overrides):
  config = dcgan.get_config()
  config.data.image_size, config.batch_size = 8, 64
  config.model.update(width=2, latent_size=4)
  config.update(num_steps=2, log_every_steps=1, eval_every_steps=8, sample_every_steps=8)
  config.update_from_flattened_dict(overrides)
  return config


@pytest.fixture(scope='module')
def source(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('source') / 'run'
  return workdir, leaves.by_path(jax.device_get(train.run(tiny(), workdir)))


def begun(config, workdir):
  """The state at step 0, and what it inherits."""
  training = train.prepare(config, workdir)
  made = training.setup
  fresh = sharding.init(made.algorithm, jax.random.key(1), made.batch, made.mesh)
  taken = starting.take(training.inherited, fresh)
  return training.inherited, leaves.by_path(jax.device_get(fresh)), leaves.by_path(jax.device_get(taken))


def test_all_weights_are_taken_and_the_optimizer_begins_anew(source, tmp_path):
  workdir, there = source
  inherited, fresh, state = begun(tiny(init_from=str(workdir)), tmp_path)
  assert not inherited.missing and not inherited.other and inherited.step == 2
  for path, value in state.items():
    from_there = path.split('/')[0] in starting.PARTS
    np.testing.assert_array_equal(value, (there if from_there else fresh)[path], err_msg=path)
  assert (
    str(inherited)
    == f'{len(inherited.taken)} of {len(inherited.taken)} arrays of weights begin as in {workdir} at step 2'
  )


def test_what_only_the_other_run_has_is_told(source, tmp_path):
  workdir, there = source
  abstract = train.prepare(tiny(), tmp_path / 'run').setup.abstract_state
  fewer = abstract.replace(params={'generator': abstract.params['generator'], 'discriminator': {}})
  inherited = starting.find(str(workdir), fewer)
  assert set(inherited.left) == {path for path in there if path.startswith('params/discriminator/')}
  assert 'only there: params/discriminator/' in str(inherited)


def test_networks_may_be_chosen(source, tmp_path):
  workdir, there = source
  _, fresh, state = begun(tiny(init_from=f'{workdir}:discriminator'), tmp_path)
  for path, value in state.items():
    part, _, rest = path.partition('/')
    from_there = part in starting.PARTS and rest.startswith('discriminator/')
    np.testing.assert_array_equal(value, (there if from_there else fresh)[path], err_msg=path)


def test_a_changed_shape_is_told_and_the_source_is_read_once(source, tmp_path, capsys):
  workdir, _ = source
  copy = shutil.copytree(workdir, tmp_path / 'copy')
  changed = lambda steps: tiny(init_from=str(copy), num_steps=steps, **{'model.latent_size': 5})
  straight = train.run(changed(4), tmp_path / 'straight')
  told = capsys.readouterr().out
  assert f'begin as in {copy} at step 2; of another shape there: ' in told and 'float32[5' in told
  train.run(changed(2), tmp_path / 'halves')
  kept = json.loads((tmp_path / 'halves' / 'init_from.json').read_text())
  assert kept['step'] == 2 and kept['dataset']['source'] == 'digits' and kept['missing'] == []
  assert all(path.split(' ')[0].split('/')[1] == 'generator' for path in kept['other']) and len(kept['other']) == 2
  shutil.rmtree(copy)
  resumed = train.run(changed(4), tmp_path / 'halves')
  assert all(jax.tree.leaves(jax.tree.map(np.array_equal, resumed, straight)))
  with pytest.raises(ConfigError, match=r'config.init_from is .*there is no such folder'):
    train.prepare(changed(4), tmp_path / 'fresh')


def test_what_cannot_be_begun_with_is_named_before_anything_compiles(source, tmp_path):
  workdir, _ = source
  for init_from, why in [
    (str(tmp_path / 'nowhere'), 'but there is no such folder; it must be'),
    (f'{workdir}:encoder', "but this model has no 'encoder', it has discriminator and generator|generator and discrim"),
  ]:
    with pytest.raises(ConfigError, match=f'^config.init_from is .*({why})') as error:
      train.prepare(tiny(init_from=init_from), tmp_path / 'run')
    assert '\n' not in str(error.value)
  other = tiny(init_from=f'{workdir}:generator', **{'model.width': 3, 'model.latent_size': 6})
  made = train.prepare(tiny(**{'model.width': 3, 'model.latent_size': 6}), tmp_path / 'run').setup
  nothing = made.abstract_state.replace(
    model_state={}, ema_params={}, params={'generator': {'w': jax.ShapeDtypeStruct((), np.float32)}}
  )
  with pytest.raises(ValueError, match='no array there has the name and shape of one here'):
    starting.find(other.init_from, nothing)
  assert not (tmp_path / 'run').exists() and not runs.has_checkpoints(tmp_path / 'run')
