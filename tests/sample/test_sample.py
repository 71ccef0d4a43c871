"""The command, on a model whose images say which latents and label they come from."""

import json
import types

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from gengan import runs
from gengan.data import images
from gengan.sample import __main__ as command
from gengan.sample import grids
from tests.sample.test_grids import ALGORITHM, KEY, STATE

NAMES = ('zero', 'one', 'two')


@pytest.fixture
def workdir(tmp_path, monkeypatch):
  """A folder that looks like a run; what it was loaded with is in `workdir.loaded`."""
  loaded = []

  def load(workdir, *, checkpoint, weights, trust):
    loaded.append((checkpoint, weights))
    if checkpoint == 9:
      raise ValueError('there is no checkpoint of step 9;\n  there are 7')
    config = ConfigDict(json.loads((workdir / 'config.json').read_text()))
    return types.SimpleNamespace(config=config, algorithm=ALGORITHM, state=STATE, step=7, class_names=NAMES)

  monkeypatch.setattr(runs, 'load', load)
  folder = tmp_path / 'run'
  folder.mkdir()
  (folder / 'config.json').write_text('{"model": {"conditional": true, "num_classes": 3}}')
  return types.SimpleNamespace(path=folder, loaded=loaded)


def draw(workdir, name, *flags):
  out = workdir.path.parent / name
  command.main([f'--workdir={workdir.path}', f'--out={out}', *flags])
  return Image.open(out)


def test_the_command_draws_a_grid_and_says_what_it_is(workdir, capsys):
  picture = draw(workdir, 'new/grid.png', '--num=6', '--seed=3', '--truncation=0.5')
  labels = np.arange(6) % 3
  expected = grids.sample_images(ALGORITHM, STATE, KEY, labels=labels, truncation=0.5)
  np.testing.assert_array_equal(np.asarray(picture), images.grid(expected, scale=16)[..., 0])  # 4 px high: 16 times
  assert picture.text['gengan.step'] == '7' and picture.text['gengan.weights'] == 'averaged'
  assert workdir.loaded == [('latest', 'averaged')]
  out = capsys.readouterr().out
  assert out.count('\n') == 1 and 'grid.png: samples of step 7 (averaged weights, seed 3, truncation 0.5)' in out


def test_the_command_draws_a_labelled_row_for_each_class(workdir):
  picture = np.asarray(draw(workdir, 'grid.png', '--num=10', '--by_class', '--checkpoint=best', '--weights=trained'))
  assert workdir.loaded == [('best', 'trained')]
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
  walks = grids.sample_walks(ALGORITHM, STATE, KEY, labels=[0, 1, 2], num=4)
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
    (['--truncation=0'], '--truncation is 0.0; it must be above 0 and at most 10'),
    (['--truncation=nan'], '--truncation is nan'),
    (['--out=grid.jpg'], '.png, .gif, .webp'),
    (['--labels=1,x'], "'1,x' is not a list"),
    (['--labels=1', '--by_class'], 'give one of them'),
    (['--checkpoint=newest'], "'newest' is neither"),
    (['--weights=raw'], "invalid choice: 'raw'"),
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
  (workdir.path / 'config.json').write_text(json.dumps({'model': {'conditional': conditional, 'num_classes': 3}}))
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
