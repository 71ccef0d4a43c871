"""Prepares a TFDS set in the file format that training reads. The one program here that needs TensorFlow.

pip install '.[tensorflow]'   # in a clone of this repository
python -m gengan.data.prepare --name=mnist
python -m gengan.data.prepare --name=mnist --files=path/to/downloaded/files   # without network
"""

import pathlib
import tempfile

from gengan.data.tfds import named_builder


def prepare(name: str, *, data_dir: str = '', files: str = '') -> pathlib.Path:
  """Downloads a set, or takes its files from a folder, and writes it as array_record.

  Args:
    name: as in `tfds.builder`.
    data_dir: where TFDS keeps its sets; '' is its default.
    files: folder with the files that TFDS would download, under their own names; '' downloads them.

  Returns:
    The folder of the prepared version.

  Raises:
    FileNotFoundError: `files` is no folder.
    ModuleNotFoundError: TensorFlow is not installed.
    ValueError: TFDS knows no such set.
  """
  if files and not pathlib.Path(files).is_dir():
    raise FileNotFoundError(f'--files={files}: there is no such folder')
  try:
    import tensorflow  # noqa: F401
  except ModuleNotFoundError as error:
    how = "in a clone of gengan: pip install '.[tensorflow]'"
    raise ModuleNotFoundError(f'preparing a set needs TensorFlow; {how}') from error
  import tensorflow_datasets as tfds

  builder = named_builder(name, data_dir)
  pathlib.Path(builder.data_path).parent.mkdir(parents=True, exist_ok=True)
  # A folder of its own: TFDS names what it unpacks after the archive, and two sets may use the same names.
  with tempfile.TemporaryDirectory(dir=pathlib.Path(builder.data_path).parent, prefix='.unpacked-') as unpacked:
    places = {'manual_dir': files, 'extract_dir': unpacked} if files else {}
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(**places))
  return pathlib.Path(builder.data_path)


def main() -> None:
  from absl import app, flags

  flags.DEFINE_string('name', None, 'TFDS name: mnist, fashion_mnist, cifar10, celeb_a, ...', required=True)
  flags.DEFINE_string('data_dir', '', "where TFDS keeps its sets; '' is its default")
  flags.DEFINE_string('files', '', "folder with the set's files, already downloaded; '' downloads them")

  def run(_) -> None:
    values = flags.FLAGS
    try:
      print(f'Prepared {prepare(values.name, data_dir=values.data_dir, files=values.files)}')
    except (ModuleNotFoundError, OSError, ValueError) as error:
      raise SystemExit(f'error: {error}') from None

  app.run(run)


if __name__ == '__main__':
  main()
