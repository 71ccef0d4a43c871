"""A run opened from its folder: samples, latents and logits in plain NumPy, whatever the number of rows."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from gengan import core, runs
from gengan.core import ArgumentError
from gengan.host import checksums
from gengan.runs import trained

IMAGES = np.random.default_rng(0).uniform(-1, 1, (3, 4, 4, 1)).astype(np.float32)


def make(conditional=True, **parts):
  """Images filled with truncation times z plus the label; latents of images are a tree; logits are means."""
  algorithm = core.Algorithm(
    init=None,
    train_step=None,
    eval_step=None,
    prior=lambda state, key, labels, *, truncation=1.0: truncation * jax.random.normal(key, (len(labels), 1)),
    decode=lambda state, z, labels: jnp.broadcast_to((z + labels[:, None])[:, None, None], (len(labels), 4, 4, 1)),
    encode=lambda state, images, labels: {'mean': images.mean((1, 2, 3)), 'label': labels},
    score=lambda state, images, labels: state * images.mean((1, 2, 3)) + labels,
  )
  model = {'name': 'my.model', 'conditional': conditional, 'num_classes': 3}
  config = ConfigDict({'model': model, 'data': {'image_size': 4, 'channels': 1}})
  return runs.Run(config, algorithm._replace(**parts), jnp.float32(2), 7, 3, ('a', 'b', 'c'))


def test_samples_repeat_for_a_seed_and_take_the_classes_in_turn():
  run = make()
  images = run.sample(5, seed=1)
  assert isinstance(images, np.ndarray) and images.shape == (5, 4, 4, 1) and images.dtype == np.float32
  np.testing.assert_array_equal(images, run.sample([0, 1, 2, 0, 1], seed=1))
  assert not np.array_equal(images, run.sample(5, seed=2))
  np.testing.assert_allclose(run.sample([2, 2], truncation=1e-9), np.full((2, 4, 4, 1), 2.0), rtol=1e-6)


def test_rows_do_not_depend_on_how_many_there_are():
  run, many = make(), 2 * trained.ROWS + 5
  np.testing.assert_array_equal(run.sample(many)[:7], run.sample(7))
  images = np.resize(IMAGES, (many, 4, 4, 1))
  np.testing.assert_allclose(
    run.score(images, np.arange(many) % 3)[-3:], run.score(images[-3:], np.arange(many)[-3:] % 3)
  )


def test_latents_and_logits_are_those_of_the_algorithm():
  run = make()
  found = run.encode(IMAGES, [0, 1, 2])
  np.testing.assert_allclose(found['mean'], IMAGES.mean((1, 2, 3)), rtol=1e-6)
  np.testing.assert_array_equal(found['label'], [0, 1, 2])
  np.testing.assert_allclose(run.score(IMAGES, [0, 1, 2]), 2 * IMAGES.mean((1, 2, 3)) + [0, 1, 2], rtol=1e-6)


def test_without_classes_no_labels_are_needed():
  run = make(conditional=False)
  np.testing.assert_array_equal(run.encode(IMAGES)['label'], [0, 0, 0])
  assert run.sample(2).shape == (2, 4, 4, 1)


@pytest.mark.parametrize(
  ('call', 'message'),
  [
    (lambda run: run.sample([0, 3]), r'labels is \[0, 3\]; it must be one for each image, from 0 to 2'),
    (lambda run: run.sample(0), 'labels is'),
    (lambda run: run.score(IMAGES), 'labels is None; it must be one for each image, from 0 to 2'),
    (lambda run: run.encode(IMAGES, [0, 1]), r'labels is \[0, 1\]'),
    (lambda run: run.encode(IMAGES[..., 0], [0, 1, 2]), r'images is \[3, 4, 4\]; it must be \[N, 4, 4, 1\]'),
    (lambda run: make(encode=None).encode(IMAGES, [0, 1, 2]), "run is 'my.model'; it must be a model that can encode"),
    (lambda run: make(conditional=False).sample([1, 2]), 'labels is .*but the model knows no classes'),
  ],
)
def test_what_does_not_fit_is_named(call, message):
  with pytest.raises(ArgumentError, match=message):
    call(make())


def test_weights_have_two_names(tmp_path):
  with pytest.raises(ArgumentError, match="weights is 'ema'; it must be 'averaged' or 'trained'"):
    runs.load(tmp_path, weights='ema')


class Going:
  """Checkpoints of a training that keeps the newest alone, and saves so many times while one is read."""

  def __init__(self, directory, times):
    self.directory, self.times, self.step = directory, times, 0
    self.save()

  def save(self):
    shutil.rmtree(self.directory / f'{self.step:08d}', ignore_errors=True)
    self.step += 1
    folder = self.directory / f'{self.step:08d}'
    folder.mkdir()
    (folder / checksums.SUMS).touch()

  def restore(self, abstract, *, step):
    read = self.step
    if read <= self.times:
      self.save()
      raise checksums.DamagedError(f'{read} is gone')
    return read


def test_a_checkpoint_that_goes_while_it_is_read_makes_way_for_the_next(tmp_path):
  for name, times in (('once', 1), ('twice', 2)):
    (tmp_path / name).mkdir()
    assert trained._restored(Going(tmp_path / name, times), None, None) == times + 1
  (tmp_path / 'always').mkdir()
  with pytest.raises(ValueError, match='3 is gone'):
    trained._restored(Going(tmp_path / 'always', 9), None, None)


def test_a_damaged_checkpoint_is_not_read_again(tmp_path):
  going = Going(tmp_path, 9)
  going.save = lambda: None
  going.restore, calls = (lambda *args, **settings: calls.append(0) or Going.restore(going, *args, **settings)), []
  with pytest.raises(ValueError, match='1 is gone'):
    trained._restored(going, None, None)
  assert len(calls) == 1
