"""Label heads and inputs against their formulas by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gengan import layers

RNG = np.random.default_rng(0)
FEATURES = np.float32(RNG.normal(size=(4, 5)))
POOLED = np.float32(RNG.normal(size=(4, 3)))
LABELS = np.array([0, 2, 1, 2])


def parts(head, **inputs):
  variables = head.init(jax.random.key(0), FEATURES, LABELS, train=False, **inputs)
  return variables, head.apply(variables, FEATURES, LABELS, train=False, **inputs)


def test_projection_is_equation_3():
  variables, logits = parts(layers.LabelHead(3), pooled=POOLED)
  dense, table = variables['params']['Dense_0'], variables['params']['Embed_0']['embedding']
  expected = np.array(FEATURES @ dense['kernel'][:, 0] + dense['bias'][0])
  expected += [table[label] @ pooled for label, pooled in zip(LABELS, POOLED, strict=True)]
  np.testing.assert_allclose(logits, expected, rtol=1e-5)


def test_without_classes_or_with_the_label_in_the_image_it_is_a_dense_layer():
  for head in (layers.LabelHead(), layers.LabelHead(3, 'embedding')):
    variables, logits = parts(head)
    assert list(variables['params']) == ['Dense_0'] and logits.shape == (4,)
    np.testing.assert_allclose(logits, FEATURES @ variables['params']['Dense_0']['kernel'][:, 0], rtol=1e-5)


def test_the_auxiliary_classifier_stands_beside_the_logits():
  variables, output = parts(layers.LabelHead(3, 'auxiliary', use_bias=False), pooled=POOLED)
  assert output['logits'].shape == (4,)
  np.testing.assert_allclose(output['class_logits'], POOLED @ variables['params']['Dense_1']['kernel'], rtol=1e-5)


def test_with_spectral_norm_every_matrix_has_the_norm_one():
  head = layers.LabelHead(3, use_bias=False, spectral_norm=True)
  variables = head.init(jax.random.key(0), FEATURES, LABELS, train=False)
  for _ in range(50):
    _, moved = head.apply(variables, FEATURES, LABELS, train=True, mutable=['spectral_norm'])
    variables = {**variables, **moved}
  kernel, table = variables['params']['Dense_0']['kernel'][:, 0], variables['params']['Embed_0']['embedding']
  kernel, table = kernel / np.linalg.norm(kernel), table / np.linalg.svd(table)[1][0]
  logits = head.apply(variables, FEATURES, LABELS, train=False)
  np.testing.assert_allclose(logits, FEATURES @ kernel + np.sum(FEATURES * table[LABELS], 1), rtol=1e-4)


def test_the_embedding_is_that_of_linen():
  mine, theirs = layers.Embed(3, 4), nn.Embed(3, 4)
  variables = theirs.init(jax.random.key(1), LABELS)
  np.testing.assert_array_equal(
    mine.init(jax.random.key(1), LABELS)['params']['embedding'], variables['params']['embedding']
  )
  np.testing.assert_array_equal(mine.apply(variables, LABELS), theirs.apply(variables, LABELS))


@pytest.mark.parametrize(('kind', 'columns'), [('one_hot', 3), ('embedding', 5), ('batch_norm', 0)])
def test_a_latent_gets_columns_beside_it(kind, columns):
  x, variables = layers.LabelInput(3, kind).init_with_output(jax.random.key(0), FEATURES, LABELS)
  np.testing.assert_array_equal(x[:, :5], FEATURES)
  table = np.eye(3) if kind == 'one_hot' else variables.get('params', {}).get('Embed_0', {}).get('embedding')
  if columns:
    np.testing.assert_array_equal(x[:, 5:], table[LABELS])
  assert x.shape[1] == 5 + columns


@pytest.mark.parametrize(('kind', 'added'), [('one_hot', 3), ('embedding', 1)])
def test_an_image_gets_channels_of_its_class(kind, added):
  images = jnp.zeros((4, 2, 3, 1))
  x = layers.LabelInput(3, kind).init_with_output(jax.random.key(0), images, LABELS)[0]
  assert x.shape == (4, 2, 3, 1 + added)
  np.testing.assert_array_equal(x[1], x[3])
  assert np.abs(x[0] - x[1]).max() > 0


def test_an_unknown_way_is_refused():
  with pytest.raises(ValueError, match=r"'sum'; it must be one of projection, auxiliary, embedding"):
    parts(layers.LabelHead(3, 'sum'))
