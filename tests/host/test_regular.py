"""What is not a folder is named, before anything opens it."""

import os

import pytest

from gengan.host.regular import require_folder


def test_what_is_no_folder_is_named(tmp_path):
  require_folder(tmp_path, 'idx:set')
  os.mkfifo(tmp_path / 'pipe')
  (tmp_path / 'file').touch()
  (tmp_path / 'loop').symlink_to(tmp_path / 'loop')
  for name, found in (
    ('nothing', ''),
    ('file/below', ''),
    ('loop', ''),
    ('pipe', ': it is a pipe'),
    ('file', ': it is a file, not that'),
  ):
    with pytest.raises(FileNotFoundError, match=f'^idx:set: there is no such folder{found}$'):
      require_folder(tmp_path / name, 'idx:set', of_file=', not that')
  with pytest.raises(FileNotFoundError, match='it is a device'):
    require_folder('/dev/zero', 'idx:set')
