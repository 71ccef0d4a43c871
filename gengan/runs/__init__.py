"""Runs: their folder, their checkpoints, and the trained model in it, for every tool but training itself."""

from gengan.runs.checkpoint import Checkpointer as Checkpointer
from gengan.runs.checkpoint import NotSavedError as NotSavedError
from gengan.runs.folder import claimed as claimed
from gengan.runs.folder import create as create
from gengan.runs.folder import data_now as data_now
from gengan.runs.folder import has_checkpoints as has_checkpoints
from gengan.runs.folder import open_checkpoints as open_checkpoints
from gengan.runs.folder import require_same as require_same
from gengan.runs.folder import training_data as training_data
from gengan.runs.trained import Run as Run
from gengan.runs.trained import example_batch as example_batch
from gengan.runs.trained import load as load
