"""A small residual network that gengan trains itself: features and labels where no published network is at hand.

He et al. (2016) in its pre-activation form, three stages of one block. It is the offline network behind distances
called `..._classifier`, the judge of labels, and what the worth of generated data is measured with.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import traverse_util

from gengan import augment, layers, sharding
from gengan.networks.network import Network, to_float

WIDTH = 32  # feature maps of the first stage; doubled at each of the two others
STAGES = 3
STEM_SIDE = 16  # pixels at most, so that the cost does not grow with the image
BATCH_SIZE = 128
VERSION = 1  # of the network and its training, for caches
_PREDICTED = 256  # images a batch of prediction

Batches = Callable[[int], tuple[np.ndarray, np.ndarray]]  # step -> uint8 images [B, H, W, C], labels [B]


class ResNet(nn.Module):
  """Images [N, H, W, C] in [-1, 1] to (logits [N, K], features [N, 4 width]), the globally averaged last stage."""

  num_classes: int
  width: int = WIDTH

  @nn.compact
  def __call__(self, images: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
    norm = functools.partial(layers.BatchNorm, use_running_average=not train)
    conv = functools.partial(layers.Conv, use_bias=False, kernel_init=nn.initializers.he_normal())
    x = conv(self.width, (3, 3))(images) if images.shape[1] <= STEM_SIDE else images
    while x.shape[1] > STEM_SIDE:
      x = conv(self.width, (4, 4), strides=(2, 2))(x)
    for stage in range(STAGES):
      width, strides = self.width * 2**stage, (2, 2) if stage else (1, 1)
      y = nn.relu(norm()(x))
      shortcut = conv(width, (1, 1), strides=strides)(y) if stage else x
      y = nn.relu(norm()(conv(width, (3, 3), strides=strides)(y)))
      x = shortcut + conv(width, (3, 3))(y)
    features = nn.relu(norm()(x)).mean(axis=(1, 2))
    return nn.Dense(self.num_classes)(features), features


@dataclasses.dataclass(frozen=True)
class Classifier:
  """A trained network."""

  variables: Any  # linen collections of `ResNet`
  num_classes: int  # K
  width: int  # of `ResNet`
  validation_accuracy: float  # in [0, 1], of the step that was kept; NaN where there was nothing to validate on
  step: int  # the step that was kept

  @property
  def sha256(self) -> str:
    """Of the parameters and the batch statistics: the same numbers, the same hash."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(self.variables):
      digest.update(jax.tree_util.keystr(path).encode())
      digest.update(np.asarray(leaf, np.float32).tobytes())
    return digest.hexdigest()

  def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, H, W, C], uint8 or float in [-1, 1], to (probabilities [N, K], features [N, 4 width]), float32."""
    apply = _compiled_apply(self.num_classes, self.width)
    parts = []
    for start in range(0, len(images), _PREDICTED):
      part = images[start : start + _PREDICTED]
      filled = np.concatenate([part, np.repeat(part[:1], _PREDICTED - len(part), axis=0)])  # one shape, one compilation
      parts.append([np.asarray(output)[: len(part)] for output in apply(self.variables, filled)])
    return tuple(np.concatenate(outputs) for outputs in zip(*parts, strict=True))

  def accuracy(self, images: np.ndarray, labels: np.ndarray, *, tell: Callable[[], None] = lambda: None) -> float:
    """Share of images whose most probable class is their label; `tell` is called after every batch."""
    right = 0
    for start in range(0, len(labels), _PREDICTED):
      part = slice(start, start + _PREDICTED)
      right += int(np.sum(self(images[part])[0].argmax(axis=1) == labels[part]))
      tell()
    return right / len(labels)


def train(
  batches: Batches,
  *,
  num_classes: int,
  steps: int,
  validation: tuple[np.ndarray, np.ndarray] | None,
  seed: int,
  policy: str = '',
  flip: bool = False,
  learning_rate: float = 2e-3,
  weight_decay: float = 1e-2,
  eval_every_steps: int = 200,
  width: int = WIDTH,
  class_weights: np.ndarray | None = None,
  tell: Callable[[int], None] = lambda step: None,
) -> Classifier:
  """Trains with cross-entropy, AdamW, a tenth of warm-up and cosine decay; keeps the step that validates best.

  Args:
    batches: from a step to uint8 images [B, H, W, C] and labels [B].
    num_classes: K.
    steps: train steps; all arms of a comparison get the same number.
    validation: images and labels for early stopping, never those of the test split; None keeps the last step.
    seed: of the parameters and of the augmentation.
    policy: see `gengan.augment.policy`; '' is none.
    flip: mirror images left to right at random.
    learning_rate: the highest, after a tenth of the steps.
    weight_decay: decoupled (Loshchilov and Hutter 2019).
    eval_every_steps: between two looks at the validation images.
    width: of `ResNet`.
    class_weights: [K], factors of the loss of every example by its class; None: all 1.
    tell: called with the number of steps done after every one, and while the validation images are looked at; what it
      raises ends the training.

  Raises:
    ValueError: no steps, fewer than two classes, labels outside 0 to K - 1, or an empty validation set.
  """
  if steps < 1 or num_classes < 2:
    raise ValueError(f'a classifier needs at least 1 step and 2 classes, not {steps} and {num_classes}')
  if validation is not None and not len(validation[1]):
    raise ValueError('the validation set is empty; give None to keep the last step')
  images, labels = batches(0)
  for found in (labels, *(validation or ())[1:]):
    _check_labels(found, num_classes)
  key, best = jax.random.key(seed), None
  schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, max(steps // 10, 1), decay_steps=steps + 1)
  rates = np.asarray(schedule(np.arange(1, steps + 1)))
  init, train_step = _compiled_training(num_classes, width, policy, flip, weight_decay)
  state = init(key, jnp.zeros((1, *images.shape[1:])))
  weights = np.ones(num_classes, np.float32) if class_weights is None else np.asarray(class_weights, np.float32)
  for step in range(1, steps + 1):
    images, labels = batches(step - 1)
    state = train_step(state, images, labels, weights[labels], rates[step - 1], jax.random.fold_in(key, step))
    jax.block_until_ready(state)  # else steps pile up that are still to be computed when `tell` ends the training
    tell(step)
    if validation is not None and (step % eval_every_steps == 0 or step == steps):
      candidate = Classifier(state[0], num_classes, width, np.nan, step)
      accuracy = candidate.accuracy(*validation, tell=functools.partial(tell, step))
      if best is None or accuracy > best.validation_accuracy:
        best = dataclasses.replace(candidate, validation_accuracy=accuracy)
  return best or Classifier(state[0], num_classes, width, np.nan, steps)


def to_arrays(classifier: Classifier) -> dict[str, np.ndarray]:
  """Plain arrays for a file; `from_arrays` is the inverse."""
  return {name: np.asarray(value) for name, value in traverse_util.flatten_dict(vars(classifier), sep='/').items()}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Classifier:
  """A classifier from what `to_arrays` gave."""
  variables = traverse_util.unflatten_dict(dict(arrays), sep='/').pop('variables')
  return Classifier(variables, **{name: value.item() for name, value in arrays.items() if '/' not in name})


def as_network(classifier: Classifier) -> Network:
  """The last hidden layer of a classifier that gengan trained."""
  apply = jax.jit(functools.partial(_outputs, classifier))
  return Network('classifier', classifier.sha256, 4 * classifier.width, 'none', 'float32', apply)


def of_stacks(classifier: Classifier) -> Network:
  """A classifier of greyscale images as one of stacks of three: classes are all triples of its own.

  A triple's log-probability is the sum over the channels, the features are those of the channels side by side.
  """

  @jax.jit
  def apply(images):
    outputs = [_outputs(classifier, images[..., channel : channel + 1]) for channel in range(images.shape[-1])]
    red, green, blue = (jax.nn.log_softmax(output['logits']) for output in outputs)
    logits = red[:, :, None, None] + green[:, None, :, None] + blue[:, None, None, :]
    features = jnp.concatenate([output['features'] for output in outputs], axis=1)
    return {'features': features, 'logits': logits.reshape(len(images), -1)}

  return Network('classifier', classifier.sha256, 12 * classifier.width, 'none', 'float32', apply)


def _outputs(classifier: Classifier, images: jax.Array) -> dict[str, jax.Array]:
  network = ResNet(classifier.num_classes, classifier.width)
  with jax.default_matmul_precision('highest'):
    logits, features = network.apply(classifier.variables, to_float(images), train=False)
  return {'features': features, 'logits': logits}


@functools.cache
def _compiled_training(num_classes: int, width: int, policy: str, flip: bool, weight_decay: float):
  network = ResNet(num_classes, width)
  optimizer = optax.adamw(1.0, weight_decay=weight_decay)  # its updates are scaled by the rate of the step
  augmented = augment.policy(policy)

  def init(key, images):
    variables = network.init(key, images, train=False)
    return variables, optimizer.init(variables['params'])

  def train_step(state, images, labels, weights, rate, key):
    variables, opt_state = state
    policy_key, flip_key = jax.random.split(key)
    x = to_float(images)
    if flip:
      x = jnp.where(jax.random.bernoulli(flip_key, shape=(len(x), 1, 1, 1)), x[:, :, ::-1], x)
    x = augmented(x, policy_key)

    def loss(params):
      (logits, _), updated = network.apply({**variables, 'params': params}, x, train=True, mutable=['batch_stats'])
      losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
      return (weights * losses).mean(), updated

    grads, updated = jax.grad(loss, has_aux=True)(variables['params'])
    updates, opt_state = optimizer.update(grads, opt_state, variables['params'])
    params = jax.tree.map(lambda p, u: p + rate * u, variables['params'], updates)
    return {'params': params, **updated}, opt_state

  return jax.jit(init), sharding.jit_step(train_step)


@functools.cache
def _compiled_apply(num_classes: int, width: int):
  @jax.jit
  def apply(variables, images):
    logits, features = ResNet(num_classes, width).apply(variables, to_float(images), train=False)
    return jax.nn.softmax(logits), features

  return apply


def _check_labels(labels: np.ndarray, num_classes: int) -> None:
  if len(labels) and not (labels.min() >= 0 and labels.max() < num_classes):
    raise ValueError(f'labels from {labels.min()} to {labels.max()} do not fit {num_classes} classes')
