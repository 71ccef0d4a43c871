"""python -m gengan.benchmark: flags."""

from absl import app

from gengan.benchmark import main
from gengan.main import parse

app.run(main, flags_parser=parse)
