"""Heads of discriminators that judge patches, against loops over patches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import layers

RNG = np.random.default_rng(0)
MAP = np.float32(RNG.normal(size=(3, 5, 5, 2)))
LABELS = np.array([0, 2, 1])


def applied(**options):
  head = layers.PatchHead(taps=(4, 4), spectral_norm=False, **options)
  variables = head.init(jax.random.key(0), MAP, LABELS, train=False)
  return variables['params'], head.apply(variables, MAP, LABELS, train=False)


def test_every_patch_has_the_logit_of_its_own_pixels():
  params, output = applied()
  kernel, bias = (np.asarray(params['Conv_0'][name]) for name in ('kernel', 'bias'))
  loop = [
    [np.sum(image[i : i + 4, j : j + 4] * kernel[..., 0]) + bias[0] for i in range(2) for j in range(2)]
    for image in MAP
  ]
  assert set(output) == {'logits'}
  np.testing.assert_allclose(output['logits'], loop, rtol=1e-4, atol=1e-5)


def test_a_label_moves_all_logits_of_its_image_alike():
  params, output = applied(num_classes=3)
  _, alone = applied()
  moved = np.asarray(output['logits'] - alone['logits'])  # the same key: the same convolution
  np.testing.assert_allclose(moved, np.repeat(moved[:, :1], 4, axis=1), atol=1e-5)
  head = params['LabelHead_0']
  means = MAP.mean(axis=(1, 2))
  expected = [
    mean @ np.asarray(head['Dense_0']['kernel'])[:, 0] + mean @ np.asarray(head['Embed_0']['embedding'])[label]
    for mean, label in zip(means, LABELS, strict=True)
  ]
  np.testing.assert_allclose(moved[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_several_heads_are_one_output():
  outputs = [{'logits': jnp.zeros((2, 3)), 'class_logits': jnp.ones((2, 4))}, {'logits': jnp.ones((2, 1))}]
  joined = layers.joined([*outputs, {'logits': jnp.ones((2, 2)), 'class_logits': 3 * jnp.ones((2, 4))}])
  np.testing.assert_array_equal(joined['logits'], [[0, 0, 0, 1, 1, 1]] * 2)
  np.testing.assert_array_equal(joined['class_logits'], 2 * np.ones((2, 4)))


def test_a_patch_larger_than_the_map_is_an_error():
  with pytest.raises(ValueError, match='does not fit'):
    layers.PatchHead(taps=(6, 6)).init(jax.random.key(0), MAP, LABELS, train=False)
