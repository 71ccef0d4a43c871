"""The pictures of a run, drawn by an algorithm whose images are known in advance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gengan import core, sharding
from gengan.data import images, sheets
from gengan.train.reference import Reference
from gengan.train.snapshots import Snapshots, reconstructs


def constant_images(level, count):
  return jnp.broadcast_to(jnp.asarray(level, jnp.float32).reshape(-1, 1, 1, 1), (count, 4, 4, 1))


def algorithm(with_encoder):
  """Latents are [N, 1] and images are filled with the latent; the encoder halves an image's mean."""
  return core.Algorithm(
    init=None,
    train_step=None,
    eval_step=None,
    prior=lambda state, key, labels, **_: labels[:, None] / 10.0 + 0.1,
    decode=lambda state, latents, labels: constant_images(latents[:, 0] * state, len(labels)),
    encode=(lambda state, x, labels: x.mean((1, 2)) / 2) if with_encoder else None,
  )


NAMES = tuple(f'name {i}' for i in range(8))


@pytest.fixture
def make(tmp_path):
  def build(with_encoder, made=None, *, count=16, names=(), **options):
    labels = np.arange(count, dtype=np.int32) % 8
    real = {'image': np.asarray(constant_images(np.linspace(-1, 1, count), count)), 'label': labels}
    options |= {'key': jax.random.key(0), 'layout': sharding.replicated(sharding.make_mesh(devices=jax.devices()[:1]))}
    reference = Reference(real, 'validation', names)
    return Snapshots(tmp_path / 'samples', made or algorithm(with_encoder), reference, **options)

  return build


def raise_interrupt(*_, **__):
  raise KeyboardInterrupt


def write(snapshots, step, state):
  return snapshots.write(step, snapshots.draw(state))


def test_there_are_always_64_samples_that_begin_with_the_labels_of_the_real_images(make):
  drawn = make(False).draw(1.0)
  assert list(drawn) == ['samples'] and len(drawn['samples']) == 64
  np.testing.assert_allclose(drawn['samples'][:, 0, 0, 0], np.arange(64) % 8 / 10 + 0.1, rtol=1e-6)


def test_the_grid_is_written_under_its_step_enlarged(make, tmp_path):
  snapshots = make(False)
  drawn = snapshots.draw(1.0)
  written = snapshots.write(12, drawn)
  assert list(written) == ['samples']
  on_disk = np.asarray(Image.open(tmp_path / 'samples' / 'samples_0000012.png'))
  np.testing.assert_array_equal(on_disk, written['samples'][..., 0])
  np.testing.assert_array_equal(written['samples'], images.grid(drawn['samples'], columns=8, scale=16))


def test_samples_of_a_conditional_model_are_sorted_and_named_and_real_ones_stand_alike(make, tmp_path):
  snapshots = make(False, names=NAMES, count=64)
  drawn = snapshots.draw(1.0)
  samples, real = snapshots.write(0, drawn)['samples'], snapshots.begin(fresh=True)['real']
  np.testing.assert_array_equal(samples, sheets.by_class(drawn['samples'], np.arange(64) % 8, NAMES))
  np.testing.assert_array_equal(real, sheets.by_class(snapshots.real['image'], np.arange(64) % 8, NAMES))
  assert samples.shape == real.shape
  margin = samples.shape[1] - (8 * 66 + 2)
  np.testing.assert_array_equal(samples[:, :margin], real[:, :margin])  # the same names beside the same rows
  on_disk = Image.open(tmp_path / 'samples' / 'real.png')
  np.testing.assert_array_equal(np.asarray(on_disk), real[..., 0])
  assert on_disk.text == {'gengan.split': 'validation'}


def test_a_run_on_private_data_shows_no_real_image(make, tmp_path):
  snapshots = make(True, show_real=False)
  assert snapshots.begin(fresh=True) == {}
  assert list(write(snapshots, 3, 1.0)) == ['samples']
  assert [path.name for path in (tmp_path / 'samples').iterdir()] == ['samples_0000003.png']


@pytest.mark.parametrize(('count', 'side'), [(16, 4), (20, 4), (64, 8)])
def test_reconstructions_stand_beside_their_originals_in_a_full_square(make, count, side):
  snapshots = make(True, count=count)
  picture = write(snapshots, 0, 1.0)['reconstructions']
  real = snapshots.real['image'][: side * side]
  pairs = np.stack([real, real / 2], 1).reshape(-1, 4, 4, 1)
  np.testing.assert_array_equal(picture, images.grid(pairs, columns=2 * side, scale=16))


def test_only_an_encoder_whose_latents_decode_takes_gives_reconstructions(make):
  batch = make(True).real
  fits = algorithm(True)
  assert reconstructs(fits, 1.0, batch) and not reconstructs(algorithm(False), 1.0, batch)
  assert not reconstructs(fits._replace(encode=lambda state, x, labels: x.mean((1, 2, 3))), 1.0, batch)
  assert not reconstructs(fits._replace(encode=lambda state, x, labels: {'mean': x.mean((1, 2))}), 1.0, batch)


def test_codes_are_drawn_to_the_last_step(tmp_path, make):
  codes = algorithm(True)._replace(
    prior=lambda state, key, labels, **_: jax.random.randint(key, (len(labels), 2, 2), 0, 4),
    decode=lambda state, latents, labels: constant_images(latents.mean((1, 2)) / 4, len(labels)),
    encode=lambda state, x, labels: jnp.full((len(labels), 2, 2), 3),
  )
  snapshots = make(True, codes)
  assert set(write(snapshots, 5, 1.0)) == {'samples', 'reconstructions'}
  (tmp_path / 'metrics.jsonl').write_text('{"step": 5, "d_loss": 1.0}\n')
  assert all(path.exists() for path in snapshots.finish(1.0, tmp_path / 'metrics.jsonl'))


def test_the_end_of_a_run_shows_a_walk_an_animation_and_curves(make, tmp_path):
  snapshots = make(False)
  for step, scale in ((0, 0.1), (5, 0.5), (9, 1.0)):
    write(snapshots, step, scale)
  (tmp_path / 'metrics.jsonl').write_text('{"step": 5, "d_loss": 1.0}\n{"step": 9, "d_loss": 0.5}\n')
  assert not snapshots.finished()
  made = snapshots.finish(1.0, tmp_path / 'metrics.jsonl')
  assert snapshots.finished()
  walk, animation, curves = made
  assert Image.open(animation).n_frames == 3 and made[animation].startswith('all 3 grids over time: 3 frames')
  assert Image.open(curves).size[0] > 200 and curves == tmp_path / 'curves.png'
  assert np.asarray(Image.open(walk)).shape == (6 * 66 + 2, 10 * 66 + 2)


@pytest.mark.parametrize('before', ['curves.plot', 'images.save_png', 'images.save_animation'])
def test_a_run_that_died_between_its_last_pictures_is_not_finished(make, tmp_path, monkeypatch, before):
  snapshots = make(False)
  (tmp_path / 'metrics.jsonl').write_text(
    '{"step": 1, "kind": "train", "loss": 1.0}\n{"step": 2, "kind": "train", "loss": 2.0}\n'
  )
  write(snapshots, 1, 1.0)
  with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
    patch.setattr(f'gengan.train.snapshots.{before}', raise_interrupt)
    snapshots.finish(1.0, tmp_path / 'metrics.jsonl')
  assert not snapshots.finished()
  assert all(path.exists() for path in snapshots.finish(1.0, tmp_path / 'metrics.jsonl')) and snapshots.finished()
  write(snapshots, 3, 2.0)  # the run went on
  assert not snapshots.finished()


def test_a_long_run_is_animated_by_some_of_its_grids_evenly_and_from_the_first_to_the_last(make, tmp_path):
  snapshots = make(False)
  grid = np.zeros((8, 8, 1), np.uint8)
  for step in range(211):
    images.save_png(tmp_path / 'samples' / f'samples_{step:07d}.png', grid + np.uint8(step))
  images.save_png(tmp_path / 'samples' / 'samples_0000000.png', np.zeros((9, 8, 1), np.uint8))  # by other code
  (tmp_path / 'metrics.jsonl').write_text('{"step": 9, "d_loss": 0.5}\n')
  (told,) = [text for path, text in snapshots.finish(1.0, tmp_path / 'metrics.jsonl').items() if path.suffix == '.gif']
  assert told.startswith('60 of 211 grids over time, evenly chosen, 1 of another size left out: 60 frames of 8 x 8')
  animation = Image.open(tmp_path / 'samples' / 'training.gif')
  steps = []
  for frame in range(animation.n_frames):
    animation.seek(frame)
    steps.append(int(np.asarray(animation.convert('L'))[0, 0]))
  assert len(steps) == 60 and steps[0] == 1 and steps[-1] == 210 and set(np.diff(steps)) == {3, 4}


def test_what_an_earlier_attempt_drew_is_taken_away(make, tmp_path):
  snapshots = make(True)
  snapshots.begin(fresh=True)  # no folder yet
  write(snapshots, 3, 1.0)
  (tmp_path / 'samples' / 'mine.png').touch()
  assert snapshots.begin(fresh=False) == {}
  assert len(list((tmp_path / 'samples').iterdir())) == 4
  snapshots.begin(fresh=True)
  assert sorted(path.name for path in (tmp_path / 'samples').iterdir()) == ['mine.png', 'real.png']
