"""The sampler is run on a model whose images say which latents and label they come from."""

import importlib
import json
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

import gengan
from gengan import core
from gengan.data import images

sampling = importlib.import_module('gengan.sample')  # gengan.sample may also be the function of that name

NAMES = ('zero', 'one', 'two')


def prior(state, key, labels):
  return jax.random.normal(key, (len(labels), 6))


def decode(state, latents, labels):
  """[N, 4, 8, 1]: the label's grey level in the left half, the latents (times the weight) in the right half."""
  right = jnp.tanh(state.params['weight'] * latents).reshape(-1, 1, 6, 1)
  left = jnp.broadcast_to((labels / 4.0)[:, None, None, None], (len(labels), 1, 2, 1))
  return jnp.concatenate([left, right], axis=2).repeat(4, axis=1)


ALGORITHM = core.Algorithm(init=None, train_step=None, eval_step=None, prior=prior, decode=decode)
STATE = core.State(
  step=jnp.int32(7),
  params={'weight': jnp.float32(0.5)},
  opt_state={},
  model_state={},
  ema_params={},
  extra={},
)
KEY = jax.random.key(3)


def latents_of(samples):
  return np.arctanh(samples[:, 0, 2:, 0]) / 0.5


def test_samples_are_the_prior_decoded_with_their_labels_whatever_the_batch_size():
  labels = [0, 2, 1, 1, 0]
  expected = np.asarray(decode(STATE, prior(STATE, KEY, jnp.array(labels)), jnp.array(labels)))
  for batch_size in (1, 2, 5, 64):
    samples = sampling.sample_images(ALGORITHM, STATE, KEY, labels=labels, batch_size=batch_size)
    np.testing.assert_allclose(samples, expected, rtol=1e-6)


def test_truncation_scales_the_latents():
  labels = [0] * 4
  full = latents_of(sampling.sample_images(ALGORITHM, STATE, KEY, labels=labels))
  truncated = latents_of(sampling.sample_images(ALGORITHM, STATE, KEY, labels=labels, truncation=0.5))
  np.testing.assert_allclose(truncated, full / 2, rtol=1e-4)
  tree = {'a': jnp.ones((2, 3), jnp.bfloat16)}
  assert sampling.truncate(tree, 0.5)['a'].dtype == jnp.bfloat16
  for latents, psi, message in [
    (tree, 0.0, r'\(0, 1\]'),
    (tree, 1.5, r'\(0, 1\]'),
    ({'a': jnp.ones(3, int)}, 0.5, 'codes'),
  ]:
    with pytest.raises(ValueError, match=message):
      sampling.truncate(latents, psi)


def test_walks_go_between_two_draws_with_one_label():
  labels = np.array([2, 0, 1])
  walks = sampling.sample_walks(ALGORITHM, STATE, KEY, labels=labels, num=5, batch_size=4)
  ends = np.asarray(prior(STATE, KEY, jnp.zeros(6)))
  assert walks.shape == (3, 5, 4, 8, 1)
  np.testing.assert_allclose(walks[:, :, 0, 0, 0], np.repeat(labels / 4, 5).reshape(3, 5))
  np.testing.assert_allclose(latents_of(walks[:, 0]), ends[:3], rtol=1e-3, atol=1e-4)
  np.testing.assert_allclose(latents_of(walks[:, -1]), ends[3:], rtol=1e-3, atol=1e-4)
  np.testing.assert_allclose(
    latents_of(walks[:, 2]), images.interpolate(ends[:3], ends[3:], 5)[:, 2], rtol=1e-3, atol=1e-4
  )


def test_labels_are_balanced():
  assert sampling.choose_labels(7, classes=[], num_classes=3).tolist() == [0, 1, 2, 0, 1, 2, 0]
  assert sampling.choose_labels(3, classes=[], num_classes=0).tolist() == [0, 0, 0]
  assert sampling.choose_labels(5, classes=[2, 0], num_classes=3).tolist() == [2, 2, 2, 0, 0, 0]


@pytest.fixture
def workdir(tmp_path, monkeypatch):
  """A folder that looks like a run; what it was loaded with is in `workdir.loaded`."""
  loaded = []

  def load(workdir, *, checkpoint, ema):
    loaded.append((checkpoint, ema))
    if checkpoint == 9:
      raise ValueError('there is no checkpoint of step 9;\n  there are 7')
    config = ConfigDict(json.loads((workdir / 'config.json').read_text()))
    return types.SimpleNamespace(
      config=config, algorithm=ALGORITHM, state=STATE, step=7, num_classes=len(NAMES), class_names=NAMES
    )

  runs = types.ModuleType('gengan.runs')
  runs.load = load
  monkeypatch.setitem(sys.modules, 'gengan.runs', runs)
  monkeypatch.setattr(gengan, 'runs', runs, raising=False)
  folder = tmp_path / 'run'
  folder.mkdir()
  (folder / 'config.json').write_text('{"model": {"conditional": true}}')
  return types.SimpleNamespace(path=folder, loaded=loaded)


def draw(workdir, name, *flags):
  out = workdir.path.parent / name
  sampling.main([f'--workdir={workdir.path}', f'--out={out}', *flags])
  return Image.open(out)


def test_the_command_draws_a_grid_and_says_what_it_is(workdir, capsys):
  picture = draw(workdir, 'new/grid.png', '--num=6', '--seed=3', '--truncation=0.5')
  labels = np.arange(6) % 3
  expected = sampling.sample_images(ALGORITHM, STATE, KEY, labels=labels, truncation=0.5)
  np.testing.assert_array_equal(np.asarray(picture), images.grid(expected, scale=16)[..., 0])  # 4 px high: 16 times
  assert picture.text['gengan.step'] == '7' and picture.text['gengan.seed'] == '3'
  assert workdir.loaded == [('latest', True)]
  out = capsys.readouterr().out
  assert out.count('\n') == 1 and 'grid.png: samples of step 7' in out


def test_the_command_draws_a_labelled_row_for_each_class(workdir):
  picture = np.asarray(draw(workdir, 'grid.png', '--num=10', '--by_class', '--checkpoint=best', '--ema=false'))
  assert workdir.loaded == [('best', False)]
  row, column = 4 * 16 + 2, 8 * 16 + 2
  assert picture.shape[0] == 3 * row + 2
  margin = picture.shape[1] - (4 * column + 2)  # 10 images in 3 rows: 4 columns
  assert margin > 0 and (picture[:, :margin] < 128).any()
  for label in range(3):
    level = np.floor((label / 4 + 1) * 127.5 + 0.5)
    assert (picture[label * row + 2 : (label + 1) * row, margin + 2 : margin + 32] == level).all()

  some = np.asarray(draw(workdir, 'some.png', '--num=2', '--labels=2,0'))
  assert some.shape[0] == 2 * row + 2 and some[20, -100] == 191


def test_the_command_draws_walks_as_rows_and_as_an_animation(workdir):
  picture = draw(workdir, 'walk.png', '--num=12', '--interpolate=4', '--seed=3')
  walks = sampling.sample_walks(ALGORITHM, STATE, KEY, labels=[0, 1, 2], num=4)
  expected = images.grid(walks.reshape(12, 4, 8, 1), columns=4, scale=16)[..., 0]
  np.testing.assert_array_equal(np.asarray(picture), expected)

  for name in ('walk.gif', 'walk.webp'):
    animation = draw(workdir, name, '--num=3', '--interpolate=4', '--seed=3')
    assert animation.n_frames == 4 + 2  # there, and back without the ends
    for index, position in [(1, 1), (3, 3), (5, 1)]:
      animation.seek(index)
      frame = images.grid(walks[:, position], scale=16)[..., 0]
      np.testing.assert_array_equal(np.asarray(animation.convert('L')), frame)
  assert draw(workdir, 'still.webp', '--num=3').n_frames == 1


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--num=0'], '--num is 0'),
    (['--num=many'], "--num: invalid int value: 'many'"),
    (['--num=100000'], '--num is 100000; it must be from 1 to 10000'),
    (['--interpolate=1'], 'from 2 to 10000'),
    (['--interpolate=200', '--num=64', '--out=walk.webp'], 'an animation has at most 10000 images in its frames'),
    (['--truncation=0'], '(0, 1]'),
    (['--truncation=nan'], '(0, 1]'),
    (['--out=grid.jpg'], '.png, .gif, .webp'),
    (['--labels=1,x'], "'1,x' is not a list"),
    (['--labels=1', '--by_class'], 'give one of them'),
    (['--checkpoint=newest'], "'newest' is neither"),
    (['--ema=perhaps'], 'neither true nor false'),
    (['--nun=3'], '--nun=3'),
    (['--workdir=nowhere'], 'nowhere, which is not the folder of a run'),
    (['--seed=99999999999999999999'], '--seed is 99999999999999999999; it must be from 0 to 4294967295'),
    (['--seed=-1'], '--seed is -1; it must be from 0'),
    (['--out=/proc/nowhere/grid.png'], 'the folder of --out is /proc/nowhere, where no files can be written'),
  ],
)
def test_a_mistaken_flag_is_one_line_before_anything_is_loaded(workdir, capsys, flags, message):
  with pytest.raises(SystemExit) as stop:
    draw(workdir, 'grid.png', *flags)
  error = capsys.readouterr().err
  assert stop.value.code == 2 and message in error and error.count('\n') == 1
  assert workdir.loaded == []


@pytest.mark.parametrize(
  ('conditional', 'flags', 'message'),
  [
    (True, ['--labels=1,3'], '--labels has 3; the classes of this run are 0 to 2'),
    (False, ['--by_class'], 'unconditional'),
    (True, ['--checkpoint=9'], 'no checkpoint of step 9; there are 7'),
  ],
)
def test_what_the_run_cannot_do_is_one_line(workdir, capsys, conditional, flags, message):
  (workdir.path / 'config.json').write_text(json.dumps({'model': {'conditional': conditional}}))
  with pytest.raises(SystemExit) as stop:
    draw(workdir, 'grid.png', *flags)
  error = capsys.readouterr().err
  assert stop.value.code == 2 and message in error and error.count('\n') == 1
  assert not (workdir.path.parent / 'grid.png').exists()


def test_out_must_be_a_file_in_a_folder(workdir, capsys):
  (workdir.path / 'taken.png').mkdir()
  (workdir.path / 'file').write_text('')
  for out, message in (('run/taken.png', 'which is a folder'), ('run/file/grid.png', 'that is a file')):
    with pytest.raises(SystemExit):
      draw(workdir, out)
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1
  assert workdir.loaded == [] and len(list(workdir.path.iterdir())) == 3


@pytest.mark.parametrize('content', ['{"model": {', '\ufffd', '[]', '{}'])
def test_a_broken_config_is_named(workdir, capsys, content):
  (workdir.path / 'config.json').write_text(content)
  with pytest.raises(SystemExit) as stop:
    draw(workdir, 'grid.png')
  error = capsys.readouterr().err
  assert stop.value.code == 2 and error.count('\n') == 1
  assert f'{workdir.path / "config.json"} is ' in error and workdir.loaded == []
