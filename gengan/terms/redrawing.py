"""Redrawing: D is kept from learning the images by heart by having to draw them again from its features."""

import jax
import jax.numpy as jnp

from gengan import core
from gengan.core import ScalarOrSchedule
from gengan.terms.term import Context, Term, check_weight, simple


def redrawing(weight: ScalarOrSchedule = 1.0, *, method: str = 'redraw') -> Term:
  """weight sum E |G_i(f_i) - T_i(x)| over D's decoders G_i, on real images only (Liu et al. 2021, eq. 4).

  Args:
    weight: 1 in the paper.
    method: of D, from ((maps, images, corner), labels) to pairs of pictures, drawn and as they should be; 'maps' is
      what D gives beside its logits, the corner of the images that some redraw is drawn here, 0 to 3.

  >>> seen = {'real': jnp.ones((2, 4)), 'real_output': {'maps': jnp.zeros((2, 4))}, 'key': jax.random.key(0)}
  >>> redraw = lambda inputs, labels=None, method=None: [inputs[:2]]
  >>> float(redrawing().apply(Context(step=0, batch={}, discriminate=redraw, **seen), {})[0])
  1.0
  """
  check_weight('weight', weight)

  def loss(context: Context) -> jax.Array:
    corner = jax.random.randint(context.key, (), 0, 4)
    pairs = context.discriminate((context.real_output['maps'], context.real, corner), method=method)
    differences = [jnp.abs(drawn - picture).mean() for drawn, picture in pairs]
    return core.value_at(weight, context.step) * sum(differences)

  return simple('redrawing', loss)
