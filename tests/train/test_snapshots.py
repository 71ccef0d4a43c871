"""The pictures of a run, drawn by an algorithm whose images are known in advance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from configs import dcgan
from gengan import core, data, sharding
from gengan.data import images
from gengan.train.snapshots import Snapshots, reconstructs, reference_batch


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


@pytest.fixture
def make(tmp_path):
  def build(with_encoder, made=None):
    labels = np.arange(16, dtype=np.int32) % 8
    real = {'image': np.asarray(constant_images(np.linspace(-1, 1, 16), 16)), 'label': labels}
    layout = sharding.replicated(sharding.make_mesh(devices=jax.devices()[:1]))
    return Snapshots(
      tmp_path / 'samples', made or algorithm(with_encoder), real, key=jax.random.key(0), sharding=layout
    )

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


def test_reference_images_are_held_out_and_take_the_classes_in_turn():
  config = dcgan.get_config()
  config.data.image_size = 8
  dataset = data.load(config.data)
  batch = reference_batch(dataset, config)
  assert batch['image'].shape == (64, 8, 8, 1)
  np.testing.assert_array_equal(batch['label'], np.arange(64) % 10)
  held_out = {image.tobytes() for image in dataset.validation.images[:]}
  levels = np.rint((batch['image'] + 1) * 127.5).astype(np.uint8)
  assert all(image.tobytes() in held_out for image in levels)
