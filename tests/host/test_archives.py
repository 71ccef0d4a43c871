"""Arrays of .npz files against NumPy's own reader."""

import zipfile

import numpy as np
import pytest

from gengan.host import archives

RNG = np.random.default_rng(0)
ARRAYS = {
  'bytes': RNG.integers(0, 256, (3, 4, 5), dtype=np.uint8),
  'big': RNG.integers(-9, 9, (7,)).astype('>i4'),
  'columns': np.asfortranarray(RNG.normal(size=(5, 6))),
  'half': RNG.normal(size=(2, 3)).astype(np.float16),
  'flags': RNG.random((9, 2)) < 0.5,
  'names': np.array(['cat', 'é', '']),
  'raw': np.array([b'cat', b'dog']),
  'none': np.zeros((0, 8), np.float32),
  'one': np.array(3),
}


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_arrays_are_what_numpy_reads(tmp_path, save):
  save(tmp_path / 'set.npz', **ARRAYS)
  with zipfile.ZipFile(tmp_path / 'set.npz') as archive, np.load(tmp_path / 'set.npz') as truth:
    found = archives.read(archive, {*ARRAYS, 'missing'})
    assert found.keys() == ARRAYS.keys()
    for key, array in found.items():
      np.testing.assert_array_equal(array, truth[key])
      assert (array.dtype, array.shape) == (truth[key].dtype, truth[key].shape)


def test_only_what_is_wanted_is_read(tmp_path):
  np.savez(tmp_path / 'set.npz', a=np.arange(3), b=np.array({}, object))
  with zipfile.ZipFile(tmp_path / 'set.npz') as archive:
    assert archives.read(archive, {'a'})['a'].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match='b is a pickled object, and those are never loaded'):
      archives.read(archive, {'a', 'b'})
