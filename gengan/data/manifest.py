"""The list of examples that training leaves out: gengan.data.clean writes it, `dataset.load` reads it."""

import pathlib

from gengan.data.sources.records import Source
from gengan.host.errors import ArgumentError
from gengan.host.files import expanded, read_json, write_json

VERSION = 1


def write_manifest(path: pathlib.Path, source: Source, reasons: dict[str, dict[str, str]]) -> None:
  """Writes why examples of a source are left out, {split of the source: {name of an example: why}}, as JSON."""
  write_json(path, {'version': VERSION, 'source': source.spec, 'sha256': source.sha256, 'exclude': reasons})


def check_replaceable(path: pathlib.Path, source: Source) -> None:
  """Refuses to put the manifest of a source in the place of another one's, which runs may need to go on.

  Raises:
    ArgumentError: there is one.
  """
  try:
    there = read_json(path)
    other = there['source'] if there['sha256'] != source.sha256 else ''
  except (OSError, ValueError, KeyError, TypeError):  # none, or none that a run could read
    return
  if other:
    why = f'where the report of {other} lies, which runs may need'
    raise ArgumentError('out', str(path.parent), 'another folder', why=why)


def read_manifest(path: str, source: Source) -> dict[str, set[str]]:
  """The names to leave out, by split of the source.

  Raises:
    ValueError: not a manifest, made for other data, or naming examples that the source does not have.
  """
  try:
    content = read_json(expanded(path))
    sha256, version, reasons = content['sha256'], content['version'], content['exclude']
    exclude = {split: set(names) for split, names in reasons.items()}
  except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
    raise ValueError(f'{path} is not a manifest of gengan.data.clean ({error!r})') from error
  if version != VERSION:
    raise ValueError(f'{path} has version {version}; this program reads version {VERSION}')
  if sha256 != source.sha256:
    raise ValueError(
      f'{path} was made for {content.get("source")} with sha256 {str(sha256)[:12]}…, '
      f'but {source.spec} has {source.sha256[:12]}…; run gengan.data.clean on this source'
    )
  for split, names in exclude.items():
    unknown = names - set(source.splits[split].names if split in source.splits else ())
    if unknown:
      raise ValueError(f'{path} names {min(unknown)!r}, which is not in {split} of {source.spec}')
  return exclude
