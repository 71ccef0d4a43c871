"""Terms: what is added up to a player's loss in one phase of a train step.

The adversarial loss is a term, R1 another, path length a third. A term reads a `Context` and, where it needs one, a
memory of its own that lives in `State.extra`.

Penalties on gradients take D's logits for functions of one image each. Batch normalisation breaks that: a logit then
depends on the other images of the batch too, and the gradient with respect to one image is that of all logits together.
R1 and R2 of such a discriminator are penalties on the batch's summed logits, (gamma / 2) E ||grad_x sum_j D(x_j)||^2,
not eq. 9 and 10 of the paper exactly; the DCGAN recipe for small sets is trained so.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gengan import core
from gengan.core import ArgumentError, ScalarOrSchedule
from gengan.losses import GanLoss

Critic = Callable[[jax.Array], jax.Array]  # images [N, ...] -> logits [N]


class Context(NamedTuple):
  """What a term may read, all of it during the pass of one player."""

  step: jax.Array  # train steps done
  batch: core.Batch  # real images and labels, this phase's share
  params: core.PyTree = None  # of the player
  latents: jax.Array | None = None  # z of the generated images
  labels: jax.Array | None = None  # of the generated images
  samples: jax.Array | None = None  # the generated images themselves
  real: jax.Array | None = None  # real images as D sees them, augmented
  fake: jax.Array | None = None  # generated images as D sees them, augmented
  real_output: Any = None  # what D gives for `real`: logits [N], or a dict with 'logits' and what else terms read
  fake_output: Any = None  # likewise for `fake`
  generate: Callable[..., Any] | None = None  # (*inputs, method=None): G in training mode, differentiable in its params
  discriminate: Callable[..., Any] | None = None  # (images, labels=None, method=None): D without augmentation
  augment: Callable[..., jax.Array] | None = None  # (images, key): the augmentation as it stands now
  key: jax.Array | None = None  # for what the terms draw
  axis_name: str | None = None  # the pmap axis over which the rows are cut

  @property
  def logits(self) -> tuple[jax.Array, jax.Array]:
    """D's logits of `real` and of `fake`."""
    return logits_of(self.real_output), logits_of(self.fake_output)


class Term(NamedTuple):
  """A part of a player's loss; its memory is a tree of arrays that lives in `State.extra`."""

  apply: Callable[[Context, core.PyTree], tuple[jax.Array, core.Metrics, core.PyTree]]  # -> (scalar, metrics, memory)
  init: Callable[[jax.Array, core.Batch], core.PyTree] = lambda key, batch: {}  # of the batch, shapes and dtypes


def logits_of(output: Any) -> jax.Array:
  """The logits in what a discriminator gives: the array itself, or 'logits' of a dict."""
  return output['logits'] if isinstance(output, Mapping) else output


def total(
  terms: Mapping[str, Term], context: Context, memories: Mapping[str, core.PyTree]
) -> tuple[jax.Array, core.Metrics, dict[str, core.PyTree]]:
  """The sum of the losses of several terms, all their metrics, and their memories by name."""
  losses, metrics, after = [], {}, {}
  for name, term in terms.items():
    loss, found, after[name] = term.apply(context, memories[name])
    if twice := metrics.keys() & found.keys():
      raise ArgumentError('terms', list(terms), 'terms with different metrics', why=f'of which two give {min(twice)!r}')
    losses.append(loss)
    metrics |= found
  return sum(losses), metrics, after


def simple(name: str, loss: Callable[[Context], jax.Array]) -> Term:
  """A term without memory, reported under its name."""

  def apply(context: Context, memory: core.PyTree) -> tuple[jax.Array, core.Metrics, core.PyTree]:
    value = loss(context)
    return value, {name: value}, memory

  return Term(apply)


def discriminator_loss(loss: GanLoss) -> Term:
  """D's side of an adversarial loss, with mean logits and accuracies as metrics."""

  def apply(context: Context, memory: core.PyTree) -> tuple[jax.Array, core.Metrics, core.PyTree]:
    value = loss.discriminator(*context.logits)
    return value, {'d_loss': value, **logit_metrics(*context.logits, context.axis_name)}, memory

  return Term(apply)


def generator_loss(loss: GanLoss) -> Term:
  """G's side of an adversarial loss."""
  return simple('g_loss', lambda context: loss.generator(*context.logits))


def logit_metrics(real_logits: jax.Array, fake_logits: jax.Array, axis_name: str | None = None) -> core.Metrics:
  """Mean logits, and D's accuracy with the threshold halfway between them, which suits every loss."""
  d_real, d_fake = core.pmean((real_logits.mean(), fake_logits.mean()), axis_name)
  threshold = (d_real + d_fake) / 2
  return {
    'd_real': d_real,
    'd_fake': d_fake,
    'd_accuracy_real': (real_logits > threshold).mean(),
    'd_accuracy_fake': (fake_logits < threshold).mean(),
  }


def squared_gradient_norms(critic: Critic, images: jax.Array) -> jax.Array:
  """||grad D(x)||^2 of every image [N, ...]: [N]."""
  gradients = jax.grad(lambda x: jnp.sum(critic(x)))(images)
  return jnp.sum(jnp.square(gradients), axis=tuple(range(1, images.ndim)))


def r1(gamma: ScalarOrSchedule) -> Term:
  """gamma / 2 E ||grad D(x)||^2 on real images, as D sees them (Mescheder et al. 2018, eq. 9).

  >>> judge = lambda images, labels: 3.0 * images.sum(1)
  >>> context = Context(step=0, batch={'label': None}, real=jnp.ones((2, 4)), discriminate=judge)
  >>> float(r1(10.0).apply(context, {})[0])  # 10 / 2 * 4 * 3^2
  180.0
  """
  return _half_gamma('r1', gamma, lambda context: (context.real, context.batch['label']))


def r2(gamma: ScalarOrSchedule) -> Term:
  """gamma / 2 E ||grad D(x)||^2 on generated images, as D sees them (Mescheder et al. 2018, eq. 10).

  >>> context = Context(step=0, batch={}, fake=jnp.ones((2, 4)), discriminate=lambda x, y: 3.0 * x.sum(1))
  >>> float(r2(10.0).apply(context, {})[0])
  180.0
  """
  return _half_gamma('r2', gamma, lambda context: (context.fake, context.labels))


def _half_gamma(name: str, gamma: ScalarOrSchedule, shown: Callable[[Context], tuple[jax.Array, jax.Array]]) -> Term:
  _check_weight('gamma', gamma)

  def loss(context: Context) -> jax.Array:
    images, labels = shown(context)
    norms = squared_gradient_norms(critic_of(context, labels), images)
    return 0.5 * core.value_at(gamma, context.step) * jnp.mean(norms)

  return simple(name, loss)


def critic_of(context: Context, labels: jax.Array | None = None) -> Critic:
  """D as a function from images to logits; labels as in the batch unless given."""
  return lambda images: logits_of(context.discriminate(images, labels))


def gradient_penalty(weight: ScalarOrSchedule = 10.0) -> Term:
  """weight E (||grad D(x)|| - 1)^2 at random points between real and generated images (Gulrajani et al. 2017, eq. 3).

  Row i of the real images is mixed with row i of the generated ones, at a position uniform in [0, 1).

  >>> images = {'real': jnp.ones((2, 1)), 'fake': jnp.zeros((2, 1)), 'discriminate': lambda x, y: 3.0 * x[:, 0]}
  >>> float(gradient_penalty().apply(Context(step=0, batch={}, key=jax.random.key(0), **images), {})[0])
  40.0
  """
  _check_weight('weight', weight)

  def loss(context: Context) -> jax.Array:
    real, fake = context.real, context.fake
    shape = (1,) * (real.ndim - 1)
    draw = lambda rows: jax.random.uniform(context.key, (rows, *shape), real.dtype)
    position = core.local_rows(draw, len(real), context.axis_name)
    at = real + position * (fake - real)
    return gradient_penalty_at(critic_of(context), at, weight=core.value_at(weight, context.step))

  return simple('gradient_penalty', loss)


def gradient_penalty_at(critic: Critic, images: jax.Array, *, weight: float | jax.Array = 10.0) -> jax.Array:
  """The gradient penalty at given points [N, ...]: weight E (||grad D(x)|| - 1)^2. A scalar.

  Where a gradient is exactly zero, so is the derivative of its norm.

  >>> float(gradient_penalty_at(lambda x: 3.0 * x[:, 0], jnp.ones((2, 1))))  # 10 (3 - 1)^2
  40.0
  """
  squares = squared_gradient_norms(critic, images)
  positive = squares > 0
  # sqrt has an infinite slope at 0, and 0 * inf would be NaN: keep zero out of it, on the way back too.
  norms = jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1.0)), 0.0)
  return weight * jnp.mean(jnp.square(norms - 1.0))


def path_length(
  weight: ScalarOrSchedule = 2.0,
  *,
  decay: float = 0.01,
  shrink: int = 2,
  mapping: str | None = 'mapping',
  synthesis: str | None = 'synthesis',
) -> Term:
  """weight E (||J^T y|| - a)^2, J the Jacobian of the images in w, y ~ N(0, I / pixels) (Karras et al. 2020, eq. 4).

  The memory holds `a`, the running mean of the lengths, which moves by `decay` of the way at every use. Where w is
  [N, L, D], one vector a layer, the length is the root of the mean over the layers.

  Args:
    weight: 2 in the paper.
    decay: 0.01 in the paper.
    shrink: a 1 / shrink of the samples is used; the paper's 2 saves memory.
    mapping: method of G from latents and labels to w; None: the latents are w.
    synthesis: method of G from w and labels to images; None: `__call__`.

  Raises:
    ArgumentError: a weight below 0, a decay outside (0, 1], or a shrink below 1.

  >>> term = path_length(mapping=None, synthesis=None)
  >>> term.init(jax.random.key(0), {})
  {'mean': Array(0., dtype=float32)}
  """
  _check_weight('weight', weight)
  if not 0 < decay <= 1:
    raise ArgumentError('decay', decay, 'above 0 and at most 1')
  if shrink < 1:
    raise ArgumentError('shrink', shrink, 'at least 1')

  def apply(context: Context, memory: core.PyTree) -> tuple[jax.Array, core.Metrics, core.PyTree]:
    rows = max(1, len(context.latents) // shrink)
    latents, labels = context.latents[:rows], context.labels[:rows]
    w = latents if mapping is None else context.generate(latents, labels, method=mapping)
    shape = jax.eval_shape(lambda w: context.generate(w, labels, method=synthesis), w).shape
    pixels = shape[1] * shape[2]
    draw = lambda rows: jax.random.normal(context.key, (rows, *shape[1:])) / jnp.sqrt(pixels)
    noise = core.local_rows(draw, rows, context.axis_name)
    gradients = jax.grad(lambda w: jnp.sum(context.generate(w, labels, method=synthesis) * noise))(w)
    squares = jnp.sum(jnp.square(gradients), axis=-1)
    lengths = jnp.sqrt(jnp.mean(squares.reshape(rows, -1), axis=1))
    length = core.pmean(jax.lax.stop_gradient(lengths.mean()), context.axis_name)
    mean = memory['mean'] + decay * (length - memory['mean'])
    loss = core.value_at(weight, context.step) * jnp.mean(jnp.square(lengths - mean))
    return loss, {'path_length_penalty': loss, 'path_length': length}, {'mean': mean}

  return Term(apply, lambda key, batch: {'mean': jnp.zeros((), jnp.float32)})


def orthogonal(weight: ScalarOrSchedule = 1e-4) -> Term:
  """weight sum ||W^T W (1 - I)||_F^2 over the player's kernels W, [inputs, outputs] (Brock et al. 2019, eq. 3).

  >>> params = {'kernel': jnp.ones((3, 2)), 'bias': jnp.ones(2)}
  >>> float(orthogonal(1.0).apply(Context(step=0, batch={}, params=params), {})[0])  # 3^2 above and below the diagonal
  18.0
  """
  _check_weight('weight', weight)

  def off_diagonal(kernel: jax.Array) -> jax.Array:
    flat = kernel.reshape(-1, kernel.shape[-1])
    product = flat.T @ flat
    return jnp.sum(jnp.square(product - jnp.diag(jnp.diag(product))))

  def loss(context: Context) -> jax.Array:
    leaves = jax.tree.leaves_with_path(context.params)
    kernels = [leaf for path, leaf in leaves if path[-1].key == 'kernel']
    return core.value_at(weight, context.step) * sum(map(off_diagonal, kernels))

  return simple('orthogonal', loss)


PENALTIES = {'r1': r1, 'r2': r2, 'gradient_penalty': gradient_penalty}


def penalties(settings: Mapping[str, ScalarOrSchedule]) -> dict[str, Term]:
  """The penalties on D that are switched on.

  Args:
    settings: strength by name, for instance `{'r1': 10.0, 'gradient_penalty': 0.0}`; 0 is off.

  Raises:
    ArgumentError: an unknown name, or a strength that is not a finite number >= 0.
  """
  for name, strength in settings.items():
    if name not in PENALTIES:
      raise ArgumentError(name, strength, f'left out: the penalties are {", ".join(PENALTIES)}')
    _check_weight(name, strength)
  return {name: PENALTIES[name](strength) for name, strength in settings.items() if callable(strength) or strength > 0}


def _check_weight(name: str, weight: ScalarOrSchedule) -> None:
  """Raises an ArgumentError for what is neither a schedule nor a finite number of at least 0."""
  if callable(weight):
    return
  if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < float('inf'):
    raise ArgumentError(name, weight, 'a number >= 0')
