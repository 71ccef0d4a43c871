"""Configs on their way from a file to a run: checked, built into an algorithm, and kept beside the results."""

from gengan.config.checks import check, check_numbers, require_fields
from gengan.config.errors import ConfigError, reading
from gengan.config.recipes import classes, make_algorithm, set_classes
from gengan.config.saved import load, load_dataset_facts, require_same_run

__all__ = ['ConfigError', 'check', 'check_numbers', 'reading', 'require_fields']
__all__ += ['classes', 'load', 'load_dataset_facts', 'make_algorithm', 'require_same_run', 'set_classes']
