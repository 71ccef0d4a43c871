"""What is wrong with a field of a config, in parts that a program can read."""

import contextlib
from collections.abc import Iterator, Mapping

from gengan.host.errors import ArgumentError


class ConfigError(ArgumentError):
  """A field of a config that cannot work; see `ArgumentError`, whose argument is the path below `config`."""

  prefix = 'config.'

  @property
  def field(self) -> str:
    """The path of the field, 'model.width'."""
    return self.argument

  def under(self, section: str) -> 'ConfigError':
    """The same of a config that is a section of another: 'model.width' under 'generator' is 'generator.model.width'."""
    path = lambda name: f'{section}.{name}' if section else name
    beside = {path(name): value for name, value in self.beside.items()}
    return ConfigError(path(self.argument), self.value, self.allowed, why=self.why, beside=beside)


@contextlib.contextmanager
def reading(section: str = '', places: Mapping[str, str] | None = None) -> Iterator[None]:
  """Turns an ArgumentError about what stands in a section of the config into a ConfigError with the whole path.

  Args:
    section: 'optimizers.generator'; '': the config itself. A ConfigError passes through as it is.
    places: sections of arguments that stand elsewhere, by argument.
  """
  try:
    yield
  except ConfigError:
    raise
  except ArgumentError as error:
    field = ConfigError(error.argument, error.value, error.allowed, why=error.why, beside=error.beside)
    raise field.under((places or {}).get(error.argument, section)) from error
