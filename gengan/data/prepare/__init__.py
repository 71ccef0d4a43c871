"""Downloads a TFDS set once and writes it as array_record. The one program here that needs TensorFlow.

pip install '.[tensorflow]'   # in a clone of this repository
python -m gengan.data.prepare --name=mnist
python -m gengan.data.prepare --name=mnist --files=path/to/downloaded/files   # without network
"""

import pathlib
import tempfile

from gengan.data.sources.tfds import TENSORFLOW, named_builder
from gengan.host.errors import ArgumentError
from gengan.host.files import expanded


def prepare(name: str, *, data_dir: str = '', files: str = '') -> pathlib.Path:
  """Downloads a set, or takes its files from a folder, and writes it as `gengan.data.sources.tfds` reads it.

  Args:
    name: as in `tfds.builder`.
    data_dir: where TFDS keeps its sets; '' is its default.
    files: folder with the files that TFDS would download, under their own names; '' downloads them.

  Returns:
    The folder of the prepared version.

  Raises:
    ArgumentError: `files` is no folder.
    ModuleNotFoundError: TensorFlow is not installed.
    ValueError: TFDS knows no such set.
  """
  data_dir, files = expanded(data_dir), expanded(files)
  if files and not pathlib.Path(files).is_dir():
    raise ArgumentError('files', files, "a folder, or ''", why='which is no folder')
  try:
    import tensorflow
  except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"preparing a set needs TensorFlow: pip install '{TENSORFLOW}'") from error
  import tensorflow_datasets as tfds

  builder = named_builder(name, data_dir)
  pathlib.Path(builder.data_path).parent.mkdir(parents=True, exist_ok=True)
  # A folder of its own: TFDS names what it unpacks after the archive, and two sets may use the same names.
  with tempfile.TemporaryDirectory(dir=pathlib.Path(builder.data_path).parent, prefix='.unpacked-') as unpacked:
    places = {'manual_dir': files, 'extract_dir': unpacked} if files else {}
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(**places))
  return pathlib.Path(builder.data_path)
