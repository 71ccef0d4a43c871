"""Where the numbers, pictures and texts of a run go."""

from gengan.train.writers.console import ConsoleWriter as ConsoleWriter
from gengan.train.writers.interface import MetricWriter as MetricWriter
from gengan.train.writers.interface import as_floats as as_floats
from gengan.train.writers.json_lines import JsonLinesWriter as JsonLinesWriter
from gengan.train.writers.multi import MultiWriter as MultiWriter
from gengan.train.writers.multi import create as create
from gengan.train.writers.tensorboard import TensorBoardWriter as TensorBoardWriter
