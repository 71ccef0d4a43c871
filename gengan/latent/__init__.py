"""Latents: how they are drawn, inferred, quantised, decoded and walked through, and algorithms trained on them."""

from gengan.latent.autoregressive import autoregressive
from gengan.latent.composition import on
from gengan.latent.posteriors import Posterior, Quantized, check_shape, codes, gaussian
from gengan.latent.quantizer import Quantizer
from gengan.latent.spaces import Space, check_latent_size, w_space, z_space

__all__ = [
  *('Posterior', 'Quantized', 'Quantizer', 'Space', 'autoregressive', 'check_latent_size', 'check_shape', 'codes'),
  *('gaussian', 'on', 'w_space', 'z_space'),
]
