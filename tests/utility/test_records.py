"""The file of records: what a disk that gets full leaves of it."""

import resource
import signal

import pytest

from gengan.utility import records

RECORD = {'regime': 'all', 'arm': 'real', 'seed': 0, 'generator_step': 2, 'accuracy': 0.5}


def test_a_line_that_does_not_fit_is_told_by_the_file_and_leaves_it_as_it_was(tmp_path):
  path = tmp_path / records.FILE
  records.append(path, RECORD)
  before = path.read_bytes()
  usual, most = resource.getrlimit(resource.RLIMIT_FSIZE)
  handler = signal.signal(
    signal.SIGXFSZ, signal.SIG_IGN
  )  # so that the system answers as a full disk does: a part is taken
  try:
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, most))
    with pytest.raises(OSError) as told:
      records.append(path, RECORD | {'seed': 1})
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (usual, most))
    signal.signal(signal.SIGXFSZ, handler)
  assert told.value.filename == str(path) and path.read_bytes() == before
  records.append(path, RECORD | {'seed': 1})
  assert records.read(path) == [RECORD, RECORD | {'seed': 1}]
