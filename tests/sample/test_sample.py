"""The command, on a model whose images say which latents and label they come from."""

import json
import types

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from gengan import runs
from gengan.config import defaults
from gengan.data import images, sheets
from gengan.sample import __main__ as command
from gengan.sample import grids
from tests.sample.test_grids import ALGORITHM, KEY, STATE

NAMES = ('zero', 'one', 'two')


def saved(**model):
  """The config.json of a run, with these fields of its model."""
  config = defaults.gan('digits')
  config.model.update(model)
  return config.to_json()


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
  (folder / 'config.json').write_text(saved(conditional=True, num_classes=3))
  return types.SimpleNamespace(path=folder, loaded=loaded)


def draw(workdir, name, *flags):
  out = workdir.path.parent / name
  command.main([f'--workdir={workdir.path}', f'--out={out}', *flags])
  return Image.open(out)


def test_the_command_draws_a_grid_and_says_what_it_is(workdir, capsys):
  picture = draw(workdir, 'new/grid.png', '--num=6', '--seed=3', '--truncation=0.5')
  labels = np.arange(9) % 3  # the next full square
  expected = grids.sample_images(ALGORITHM, STATE, KEY, labels=labels, truncation=0.5)
  np.testing.assert_array_equal(np.asarray(picture), sheets.by_class(expected, labels, NAMES)[..., 0])
  assert picture.text['gengan.step'] == '7' and picture.text['gengan.weights'] == 'averaged'
  assert workdir.loaded == [('latest', 'averaged')]
  out = capsys.readouterr().out
  assert out.count('\n') == 1 and 'grid.png: 9 samples of step 7 (averaged weights, seed 3, truncation 0.5)' in out


def test_samples_of_an_unconditional_model_are_a_plain_square(workdir):
  (workdir.path / 'config.json').write_text(saved(conditional=False))
  picture = draw(workdir, 'grid.png', '--num=10', '--seed=3')
  expected = grids.sample_images(ALGORITHM, STATE, KEY, labels=[0] * 16)
  np.testing.assert_array_equal(np.asarray(picture), images.grid(expected, columns=4, scale=8)[..., 0])


def rows(picture, count, columns):
  """The grey level of the left half of the first image in every row, which says its label; 8 x 4 pixels, 8 times."""
  picture = np.asarray(picture)
  assert picture.shape[0] == count * 34 + 2
  left = picture.shape[1] - (columns * 66 + 2)
  assert (picture[:, :left] < 128).any()  # names
  return [int(picture[row * 34 + 10, left + 6]) for row in range(count)]


def levels(*labels):
  return [int(np.floor((label / 4 + 1) * 127.5 + 0.5)) for label in labels]


def test_the_command_draws_rows_for_each_class(workdir):
  picture = draw(workdir, 'grid.png', '--num=10', '--by_class', '--checkpoint=best', '--weights=trained')
  assert workdir.loaded == [('best', 'trained')]
  assert rows(picture, 3, 4) == levels(0, 1, 2)  # 10 images in 3 rows: 4 columns


@pytest.mark.parametrize('labels', ['2,0', 'two,zero', 'two, 0'])
def test_classes_are_asked_for_by_name_and_number_and_stand_in_that_order(workdir, labels):
  assert rows(draw(workdir, 'some.png', '--num=2', f'--labels={labels}'), 2, 1) == levels(2, 0)
  assert rows(draw(workdir, 'many.png', '--num=32', f'--labels={labels}'), 6, 6) == levels(2, 2, 2, 0, 0, 0)


def test_the_command_draws_walks_as_rows_and_as_an_animation(workdir, capsys):
  picture = draw(workdir, 'walk.png', '--num=12', '--interpolate=4', '--seed=3')
  walks = grids.sample_walks(ALGORITHM, STATE, KEY, labels=[0, 1, 2], num=4)
  expected = images.grid(walks.reshape(12, 4, 8, 1), columns=4, scale=8, row_labels=NAMES)[..., 0]
  np.testing.assert_array_equal(np.asarray(picture), expected)

  for name in ('walk.gif', 'walk.webp'):
    animation = draw(workdir, name, '--num=3', '--interpolate=4', '--seed=3')
    assert animation.n_frames == 4 + 2  # there, and back without the ends
    assert f'{name}: 3 walks (6 frames of {animation.width} x {animation.height} pixels' in capsys.readouterr().out
    for index, position in [(1, 1), (3, 3), (5, 1)]:
      animation.seek(index)
      frame = sheets.by_class(walks[:, position], [0, 1, 2], NAMES)[..., 0]
      np.testing.assert_array_equal(np.asarray(animation.convert('L')), frame)
  assert draw(workdir, 'still.webp', '--num=3').n_frames == 1


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--num=0'], '--num is 0'),
    (['--num=many'], "--num: 'many' is not a whole number"),
    (['--num=100000'], '--num is 100000; it must be from 1 to 10000'),
    (['--interpolate=1'], 'from 2 to 10000'),
    (['--interpolate=200', '--num=64', '--out=walk.webp'], 'an animation has at most 10000 images in its frames'),
    (['--truncation=0'], '--truncation is 0.0; it must be above 0 and at most 10'),
    (['--truncation=nan'], '--truncation is nan'),
    (['--out=grid.jpg'], '.png, .gif, .webp'),
    (['--labels=1', '--by_class'], 'give one of them'),
    (['--augmentations', '--by_class'], '--augmentations is a PNG of its own'),
    (['--augmentations', '--out=walk.gif'], '--augmentations is a PNG of its own'),
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
    (
      True,
      ['--labels=1,3'],
      "--labels is '3'; it must be classes of this run, by name or number: 0 zero, 1 one, 2 two",
    ),
    (True, ['--labels=towo'], "--labels is 'towo', nearest to two; it must be"),
    (False, ['--labels=two'], 'unconditional'),
    (False, ['--by_class'], 'unconditional'),
    (True, ['--checkpoint=9'], 'no checkpoint of step 9; there are 7'),
  ],
)
def test_what_the_run_cannot_do_is_one_line(workdir, capsys, conditional, flags, message):
  (workdir.path / 'config.json').write_text(saved(conditional=conditional, num_classes=3))
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
