"""The model as families may use it, with its data and devices, and which needs of families it fulfils."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gengan import core, data, sharding
from gengan.config import classes
from gengan.evaluate import feature_network, stages
from gengan.evaluate.classifiers import TRAINING, train_classifier
from gengan.evaluate.images import BATCH_SIZE, generated_batches, real_images
from gengan.metrics import family


def opened(
  algorithm: core.Algorithm,
  state: core.State,
  dataset: data.Dataset,
  config: ConfigDict,
  *,
  split: str,
  truncation: float,
  mesh: jax.sharding.Mesh,
  tell: stages.Tell = stages.silent,
) -> family.Model:
  """The model of a run as families ask it: with the held-out images of a split, and a truncation of what it draws.

  The state must lie on all devices of the mesh, which draw. `tell` hears of that, and of classifiers that are trained.
  """
  held_out = getattr(dataset, split)

  def draw(labels, seed):
    parts, seen = [], 0
    for images, _ in generated_batches(algorithm, state, labels, seed=seed, truncation=truncation, mesh=mesh):
      parts.append(images)
      seen += len(images)
      tell('generating', seen, len(labels))
    return np.concatenate(parts)

  def train(images, labels, seed):
    stopping = real_images(dataset.validation, config) if split == 'test' else None
    return train_classifier(images, labels, dataset, config, validation=stopping, seed=seed, tell=tell)

  flips = 'with flips' if config.data.flip else 'no flips'
  stop = 'early stopping on validation images' if split == 'test' and len(dataset.validation) else 'last step'
  return family.Model(
    algorithm=algorithm,
    state=state,
    compiled=lambda function: jax.jit(function, out_shardings=sharding.replicated(mesh)),
    batches=lambda: data.eval_batches(held_out, config.data, batch_size=min(BATCH_SIZE, len(held_out))),
    images=lambda: real_images(held_out, config),
    draw=draw,
    train_classifier=train,
    classifier_setting=f'{TRAINING}, {flips}, {stop}',
    num_classes=dataset.num_classes if classes(config) else 0,
    trained_labels=tuple(np.unique(dataset.train.labels).tolist()) if classes(config) else (0,),
    num_train=len(dataset.train),
    settings=config.model.to_dict(),
  )


def fulfilled(network: str, config: ConfigDict) -> set[str]:
  """The needs that a network, by its name or what a user calls it, and the config of a run fulfil."""
  return feature_network.knows(network.partition(':')[0]) | ({family.CONDITIONAL} if classes(config) else set())


@functools.lru_cache(8)
def given(algorithm: core.Algorithm, image_shape: tuple[int, int, int]) -> set[str]:
  """The needs that a model fulfils, by tracing what it gives, without computing anything.

  Args:
    algorithm: under a global-view `jit`, or its evaluation under a pmap axis, which has no collectives.
    image_shape: [H, W, C] of the data.
  """
  key = jax.eval_shape(lambda: jax.random.key(0))
  label = jax.ShapeDtypeStruct((2,), jnp.int32)
  batch = {'image': jax.ShapeDtypeStruct((2, *image_shape), jnp.float32), 'label': label}
  state = jax.eval_shape(algorithm.init, key, batch)
  values = jax.eval_shape(algorithm.eval_step, state, batch, key)
  latents = jax.tree.leaves(jax.eval_shape(algorithm.prior, state, key, label))
  floats = all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in latents)
  return {family.evaluated(name) for name in values} | ({family.FLOAT_LATENTS} if floats else set())
