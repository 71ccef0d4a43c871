"""The sheet of augmentations: which rows there are, and that each is what the discriminator would be shown."""

import types

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gengan.config import defaults
from gengan.sample import augmented
from tests.sample.test_grids import ALGORITHM, STATE


def square(state, latents, labels):
  """Its images of 4 x 8 pixels twice, one above the other."""
  drawn = ALGORITHM.decode(state, latents, labels)
  return jnp.concatenate([drawn, -drawn], axis=1)


@pytest.fixture
def sheet(tmp_path, monkeypatch):
  """Draws a run's sheet; gives its rows by name and what was said of it."""
  seen = {}
  grid = augmented.images.grid

  def spy(drawn, *, columns, row_labels, **options):
    rows = drawn.reshape(-1, columns, *drawn.shape[1:])
    seen.update(zip(row_labels, rows, strict=True))
    return grid(drawn, columns=columns, row_labels=row_labels, **options)

  monkeypatch.setattr(augmented.images, 'grid', spy)

  def draw(state=STATE, **fields):
    config = defaults.gan('digits')
    config.update_from_flattened_dict(fields)
    run = types.SimpleNamespace(
      config=config, algorithm=ALGORITHM._replace(decode=square), state=state, step=7, class_names=()
    )
    said = augmented.draw(run, tmp_path / 'sheet.png', about={'step': 7})
    assert Image.open(tmp_path / 'sheet.png').text == {'gengan.step': '7'}
    return dict(seen), said

  return draw


def test_every_operation_has_a_row_of_its_own_and_all_of_them_one_at_the_probability_of_now(sheet):
  rows, said = sheet(augment='cutout,noise*0.5', augment_probability=0.25)
  assert list(rows) == ['samples', 'cutout', 'noise', 'all, p = 0.25'] and said.startswith('3 rows')
  plain, cut = rows['samples'], rows['cutout']
  holes = cut != plain
  assert (cut[holes] == 0).all() and holes.reshape(8, -1).any(axis=1).all()  # every image has its hole
  assert not np.array_equal(rows['noise'], plain)


def test_a_probability_that_adapts_is_that_of_the_state_and_a_scheduled_one_that_of_the_step(sheet):
  adapted = STATE.replace(extra={'augment': {'probability': jnp.float32(0.4)}})
  assert 'all, p = 0.40' in sheet(adapted, augment='cutout', ada_target=0.6)[0]
  config = defaults.gan('digits')
  with config.ignore_type():
    config.augment_probability = defaults.linear(0.0, 1.0, kimg=config.batch_size * 14 / 1000)
  run = types.SimpleNamespace(config=config, state=STATE, step=7)
  assert augmented.probability(run) == pytest.approx(0.5)


def test_at_probability_0_the_last_row_is_the_first(sheet):
  rows, _ = sheet(augment='ada', augment_probability=0.0)
  np.testing.assert_array_equal(rows['all, p = 0.00'], rows['samples'])


def test_a_run_without_augmentation_sees_what_there_is_to_choose_from(sheet):
  rows, said = sheet()
  names = ['ada_blit', 'ada_geometric', 'ada_color', 'ada_filter', 'ada_noise', 'ada_cutout']
  assert list(rows) == ['samples', *names] and 'of which the run has none' in said
