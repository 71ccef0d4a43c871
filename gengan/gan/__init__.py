"""Generative adversarial networks: two networks and the phases of a train step make an `Algorithm`."""

from gengan.gan.algorithm import make as make
from gengan.gan.phase import PLAYERS as PLAYERS
from gengan.gan.phase import Phase as Phase
from gengan.gan.phase import alternating as alternating
from gengan.gan.phase import uniform_labels as uniform_labels
