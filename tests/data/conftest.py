"""Folders and zips of images, made from the same names and contents."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope='session')
def picture():
  """A grey picture of 4 x 4 pixels as a file of some format, PNG by default."""

  def encode(value=0, file_format='PNG'):
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4), value, np.uint8)).save(buffer, file_format)
    return buffer.getvalue()

  return encode


@pytest.fixture
def image_set(tmp_path, picture):
  """Writes {name: content} as a 'folder' or a 'zip' and gives its spec; a list of names becomes pictures."""

  def write(kind, content, *, name='set', method=zipfile.ZIP_DEFLATED):
    if not isinstance(content, dict):
      content = {file: picture(i) for i, file in enumerate(content)}
    if kind == 'folder':
      for file, data in content.items():
        path = tmp_path / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if file.endswith('/') else path.write_bytes(data)
      return f'folder:{tmp_path / name}'
    with zipfile.ZipFile(tmp_path / f'{name}.zip', 'w', method) as archive:
      for file, data in content.items():
        archive.writestr(file, data)
    return f'zip:{tmp_path / name}.zip'

  return write
