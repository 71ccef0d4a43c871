"""Configs on their way from a file to a run: checked, built into an algorithm, and kept beside the results."""

from gengan.config.checks import MAX_SEED as MAX_SEED
from gengan.config.checks import check as check
from gengan.config.checks import check_numbers as check_numbers
from gengan.config.checks import require_fields as require_fields
from gengan.config.errors import ConfigError as ConfigError
from gengan.config.errors import reading as reading
from gengan.config.fields import missing_field as missing_field
from gengan.config.recipes import classes as classes
from gengan.config.recipes import make_algorithm as make_algorithm
from gengan.config.recipes import set_classes as set_classes
from gengan.config.saved import load as load
from gengan.config.saved import load_dataset_facts as load_dataset_facts
from gengan.config.saved import require_same_run as require_same_run
