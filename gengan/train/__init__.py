"""Training: `run` does all of it, `prepare` finds what is wrong beforehand and `fit` is the loop."""

from gengan.train.loop import Refused as Refused
from gengan.train.loop import Unwritable as Unwritable
from gengan.train.loop import fit as fit
from gengan.train.loop import run as run
from gengan.train.preparation import prepare as prepare
