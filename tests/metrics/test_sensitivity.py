"""On real images, every metric moves the way it should: with damage of rising strength, and along a training run."""

import functools
import io
import pathlib

import jax
import numpy as np
import PIL.Image
import pytest
from scipy import ndimage
from sklearn.datasets import load_digits

from configs import vae
from gengan import metrics, sharding
from gengan.data import mixing
from gengan.data.sources import open_source
from gengan.evaluate.extraction import extract
from gengan.metrics import family
from gengan.models import conv_vae
from gengan.networks import classifier

DATA = pathlib.Path(__file__).resolve().parents[3] / 'shared' / 'data'
FILES = {'fashion_mnist': ('idx', DATA / 'fashion_mnist'), 'cifar10': ('zip', DATA / 'cifar10' / 'cifar10_jpeg.zip')}
ROWS = 600
AMOUNTS = (0.0, 1 / 3, 2 / 3, 1.0)

pytestmark = pytest.mark.filterwarnings('ignore::gengan.metrics.checks.FewSamplesWarning')


@functools.cache
def image_set(name):
  """Two disjoint sets of real images, uint8 [600, S, S, C], with labels."""
  rng = np.random.default_rng(0)
  if name == 'digits':
    data = load_digits()
    rows = rng.permutation(len(data.images))[: 2 * ROWS]
    images, labels = np.kron(data.images[rows], np.ones((2, 2))) * 15.9, data.target[rows]
  else:
    kind, path = FILES[name]
    if not path.exists():
      pytest.skip(f'no {name} beside the checkout')
    records = open_source(f'{kind}:{path}').splits['train']
    rows = rng.permutation(len(records))[: 2 * ROWS]
    images, labels = np.stack([decoded(records.read(row)) for row in rows]), records.labels[rows]
  images = images.reshape(*images.shape[:3], -1).astype(np.uint8)
  labels = np.asarray(labels, np.int32)
  return (images[:ROWS], labels[:ROWS]), (images[ROWS:], labels[ROWS:])


def decoded(image):
  return np.asarray(PIL.Image.open(io.BytesIO(image))) if isinstance(image, bytes) else image


@functools.cache
def trained_classifier():
  return classifier.train(
    mixing.batches(mixing.shuffled(*image_set('digits')[0], seed=0), batch_size=64),
    num_classes=10,
    steps=100,
    validation=None,
    seed=0,
    width=8,
  )


def pixels(images):
  """Levels in [0, 1], averaged down to 8 px at most."""
  count, side, _, channels = images.shape
  factor = -(-side // 8)
  blocks = images.reshape(count, side // factor, factor, side // factor, factor, channels) / 255
  return blocks.mean(axis=(2, 4)).reshape(count, -1)


NETWORKS = {'pixels': pixels, 'classifier': lambda images: trained_classifier()(images)[1]}


def distances(real, found):
  return {
    'frechet': metrics.frechet_distance_of_features(real, found),
    'frechet_infinity': metrics.frechet_distance_infinity(metrics.moments(real), found, sizes=5),
    'kernel': metrics.kernel_distance(real, found),
  }


def shares(real, found):
  """Fidelity and diversity; precision and recall are those of `metrics.precision_recall`."""
  density_and_coverage = metrics.precision_recall_density_coverage(real, found)
  return {**density_and_coverage, **metrics.precision_recall(real, found), 'vendi': metrics.vendi_score(found)}


def blur(images, labels, amount):
  width = amount * images.shape[1] / 5
  return ndimage.gaussian_filter(images.astype(np.float64), (0, width, width, 0)).astype(np.uint8), labels


def noise(images, labels, amount):
  drawn = np.random.default_rng(1).normal(size=images.shape)
  return np.clip(images + 90 * amount * drawn, 0, 255).astype(np.uint8), labels


def rotate(images, labels, amount):
  """Up to 30 degrees: turned farther, some digits look like others."""
  return ndimage.rotate(images, 30 * amount, axes=(1, 2), reshape=False, order=1), labels


def drop_modes(images, labels, amount):
  """Down to two classes of ten."""
  kept = np.flatnonzero(labels < 10 - round(8 * amount))
  rows = np.resize(kept, len(labels))
  return images[rows], labels[rows]


DAMAGES = (blur, noise, rotate, drop_modes)
SETS = [('digits', 'pixels'), ('digits', 'classifier'), ('fashion_mnist', 'pixels')]
# Blur is none of them in pixels: it moves images to the middle of the set, into more balls, and fidelity may rise.
FALLS = [
  *((*each, noise, ('precision', 'density')) for each in SETS),
  *((*each, drop_modes, ('recall', 'coverage', 'vendi')) for each in SETS),
  *((source, 'pixels', rotate, ('precision', 'density', 'coverage')) for source in ('digits', 'fashion_mnist')),
  ('digits', 'classifier', blur, ('precision', 'density', 'coverage')),
]


def series(measure, source, network, damage):
  """Of every number that is measured, its values at rising amounts of damage."""
  (images, _), other = image_set(source)
  real, embed = NETWORKS[network](images), NETWORKS[network]
  found = [measure(real, embed(damage(*other, amount)[0])) for amount in AMOUNTS]
  return {name: [values[name] for values in found] for name in found[0]}


@pytest.mark.parametrize('damage', DAMAGES, ids=lambda f: f.__name__)
@pytest.mark.parametrize(('source', 'network'), SETS)
def test_distances_grow_with_damage(source, network, damage):
  for name, values in series(distances, source, network, damage).items():
    assert np.all(np.diff(values) > 0), (name, values)


@pytest.mark.parametrize('damage', DAMAGES, ids=lambda f: f.__name__)
def test_frechet_distance_grows_with_damage_to_colour_photographs(damage):
  """Alone: in pixels as features, kernel distances of a few hundred photographs are mostly chance."""
  measure = lambda real, found: {'frechet': metrics.frechet_distance_of_features(real, found)}
  values = series(measure, 'cifar10', 'pixels', damage)['frechet']
  assert np.all(np.diff(values) > 0), values


@pytest.mark.parametrize(('source', 'network', 'damage', 'names'), FALLS)
def test_fidelity_and_diversity_fall_with_the_damage_that_they_notice(source, network, damage, names):
  values = series(shares, source, network, damage)
  for name in names:
    assert np.all(np.diff(values[name]) < 0), (name, values[name])
  if damage is drop_modes:  # which leaves every image as it is
    assert np.ptp(values['precision']) < 0.1, values['precision']


def with_wrong_labels(labels, amount):
  wrong = np.random.default_rng(2).random(len(labels)) < 0.9 * amount
  return np.where(wrong, (labels + 1 + np.arange(len(labels)) % 9) % 10, labels).astype(np.int32)


@pytest.mark.parametrize('network', NETWORKS)
def test_class_wise_distances_grow_with_label_noise(network):
  (images, labels), (others, other_labels) = image_set('digits')
  real, found = NETWORKS[network](images), NETWORKS[network](others)
  values = [
    metrics.intra_class_frechet_distance(real, labels, found, with_wrong_labels(other_labels, amount))[0]
    for amount in AMOUNTS
  ]
  assert np.all(np.diff(values) > 0), values


def test_label_consistency_falls_with_label_noise():
  network, mesh = classifier.as_network(trained_classifier()), sharding.make_mesh(devices=jax.devices()[:1])

  def judged(images, labels):
    return extract(network, [(images, labels)], mesh=mesh, batch_size=ROWS, keep=np.arange(ROWS))

  real, (others, labels) = judged(*image_set('digits')[0]), image_set('digits')[1]
  values = []
  for amount in AMOUNTS:
    sets = {'real': real, 'generated': judged(others, with_wrong_labels(labels, amount))}
    inputs = family.Inputs(sets.__getitem__, network)
    values.append(family.find('consistency').measure(inputs).values['label_consistency'])
  assert values[0] > 0.9 and values[-1] < 0.2
  assert np.all(np.diff(values) < 0), values


def test_distances_fall_along_a_training_run():
  """A conditional VAE on digits, at its start and at three later steps."""
  config = vae.get_config()
  config.model.update(architecture='mlp', conditional=True, num_classes=10, hidden_size=64, latent_size=8)
  config.ema.half_life_kimg = 0.5
  algorithm = conv_vae.make(config)
  (images, labels), (held_out, held_out_labels) = image_set('digits')
  batches = mixing.batches(mixing.shuffled(images, labels, seed=0), batch_size=64)

  def batch(step):
    images, labels = batches(step)
    return {'image': classifier.to_float(images), 'label': labels}

  step = jax.jit(algorithm.train_step)
  sample = jax.jit(
    lambda state, key: algorithm.decode(state, algorithm.prior(state, key, held_out_labels), held_out_labels)
  )
  state = jax.jit(algorithm.init)(jax.random.key(0), batch(0))
  real, found = pixels(held_out), []
  for number in range(1001):
    if number in (0, 100, 300, 1000):
      samples = np.clip(127.5 * (np.asarray(sample(state, jax.random.key(2))) + 1), 0, 255)
      fake = pixels(samples)
      intra_class, _ = metrics.intra_class_frechet_distance(real, held_out_labels, fake, held_out_labels)
      agreement = trained_classifier().accuracy(samples.astype(np.uint8), held_out_labels)
      found.append({**distances(real, fake), 'intra_class': intra_class, 'label disagreement': 1 - agreement})
    state, _ = step(state, batch(number), jax.random.key(number))
  for name in found[0]:
    values = [each[name] for each in found]
    assert np.all(np.diff(values) < 0), (name, values)
    assert values[-1] < values[0] / 4, (name, values)
