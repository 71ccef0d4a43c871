"""Generative adversarial networks: two networks and the phases of a train step make an `Algorithm`."""

from gengan.gan.algorithm import make
from gengan.gan.phase import PLAYERS, Phase, alternating, uniform_labels
from gengan.gan.standing import standing_statistics
