"""The pictures of a run, drawn by an algorithm whose images are known in advance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gengan import core, sharding
from gengan.data import images
from gengan.train.snapshots import Snapshots


def constant_images(level, count):
  return jnp.broadcast_to(jnp.asarray(level, jnp.float32).reshape(-1, 1, 1, 1), (count, 4, 4, 1))


def algorithm(with_encoder):
  """Latents are [N, 1] and images are filled with the latent; the encoder halves an image's mean."""
  return core.Algorithm(
    init=None,
    train_step=None,
    eval_step=None,
    prior=lambda state, key, labels: labels[:, None] / 10.0 + 0.1,
    decode=lambda state, latents, labels: constant_images(latents[:, 0] * state, len(labels)),
    encode=(lambda state, x, labels: x.mean((1, 2)) / 2) if with_encoder else None,
  )


@pytest.fixture
def make(tmp_path):
  def build(with_encoder):
    labels = np.arange(16, dtype=np.int32) % 8
    real = {'image': np.asarray(constant_images(np.linspace(-1, 1, 16), 16)), 'label': labels}
    layout = sharding.replicated(sharding.make_mesh(devices=jax.devices()[:1]))
    return Snapshots(tmp_path / 'samples', algorithm(with_encoder), real, key=jax.random.key(0), sharding=layout)

  return build


def write(snapshots, step, state):
  return snapshots.write(step, snapshots.draw(state))


def test_samples_have_the_labels_of_the_real_images(make):
  drawn = make(False).draw(1.0)
  assert list(drawn) == ['samples']
  np.testing.assert_allclose(drawn['samples'][:, 0, 0, 0], np.arange(16) % 8 / 10 + 0.1, rtol=1e-6)


def test_the_grid_is_written_under_its_step(make, tmp_path):
  pictures = write(make(False), 12, 1.0)
  assert list(pictures) == ['samples']
  on_disk = np.asarray(Image.open(tmp_path / 'samples' / 'samples_0000012.png'))
  np.testing.assert_array_equal(on_disk, pictures['samples'][..., 0])


def test_reconstructions_stand_beside_their_originals(make):
  snapshots = make(True)
  picture = write(snapshots, 0, 1.0)['reconstructions']
  real = snapshots.real['image']
  pairs = np.stack([real, real / 2], 1).reshape(-1, 4, 4, 1)
  np.testing.assert_array_equal(picture, images.grid(pairs, columns=4))


def test_the_end_of_a_run_shows_a_walk_an_animation_and_curves(make, tmp_path):
  snapshots = make(False)
  for step, scale in ((0, 0.1), (5, 0.5), (9, 1.0)):
    write(snapshots, step, scale)
  (tmp_path / 'metrics.jsonl').write_text('{"step": 5, "d_loss": 1.0}\n{"step": 9, "d_loss": 0.5}\n')
  walk, animation, curves = snapshots.finish(1.0, tmp_path / 'metrics.jsonl')
  assert Image.open(animation).n_frames == 3
  assert Image.open(curves).size[0] > 200 and curves == tmp_path / 'curves.png'
  assert np.asarray(Image.open(walk)).shape == (6 * 6 + 2, 10 * 6 + 2)


def test_what_an_earlier_attempt_drew_is_taken_away(make, tmp_path):
  snapshots = make(True)
  snapshots.clear()  # no folder yet
  write(snapshots, 3, 1.0)
  (tmp_path / 'samples' / 'mine.png').touch()
  snapshots.clear()
  assert [path.name for path in (tmp_path / 'samples').iterdir()] == ['mine.png']
