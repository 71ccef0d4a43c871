"""gengan: generative models in JAX as pure functions over one state."""

from gengan.core import Algorithm as Algorithm
from gengan.core import State as State
