"""The weights files of published networks, read as data: no format may run code, and PyTorch is not needed."""

import functools
import hashlib
import io
import json
import math
import os
import pathlib
import zipfile
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from gengan.host import archives
from gengan.networks import pickles

MAX_BYTES = 4 << 30  # a file that is larger, or that unpacks to more, is refused
MAX_RATIO = 100  # of what weights, which hardly shrink, unpack to and their file, above 64 MiB

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # of torch.save before PyTorch 1.6, with the protocol number after it
_LEGACY_PROTOCOL = 1001
_SAFETENSORS = dict(F64='<f8', F32='<f4', F16='<f2', I64='<i8', I32='<i4', I16='<i2', I8='i1', U8='u1', BOOL='?')


class Weights(NamedTuple):
  """What a file holds."""

  tensors: dict[str, np.ndarray]  # by name, read-only; those that the file lets share their values do
  sha256: str  # of the file, in hexadecimal


def read(path: str | os.PathLike, *, sha256: Collection[str] | None = None) -> Weights:
  """Reads a PyTorch state dict (.pth, zip or legacy), a TorchScript archive (.pt), .safetensors or .npz.

  The format is known by the content, not by the name. Pickles are interpreted by `gengan.networks.pickles`.

  Args:
    path: of the file.
    sha256: the hashes that are accepted, in hexadecimal; None accepts any file.

  Raises:
    FileNotFoundError: no such file.
    ValueError: another hash, another format, damaged, or holding more than tensors. One line that names the file.
  """
  path = pathlib.Path(path)
  if not path.is_file():
    raise FileNotFoundError(f'{path}: there is no such file')
  if path.stat().st_size > MAX_BYTES:
    raise ValueError(f'{path} has {path.stat().st_size:,} bytes; the limit is {MAX_BYTES:,}')
  data = path.read_bytes()
  digest = hashlib.sha256(data).hexdigest()
  if sha256 is not None and digest not in sha256:
    known = ' or '.join(sorted(f'{value[:8]}...' for value in sha256))
    raise ValueError(
      f'{path} is not the published file, or is damaged: it has {len(data):,} bytes and its SHA-256 is '
      f'{digest[:8]}..., not {known}'
    )
  try:
    tensors = _parse(data)
  except Exception as error:  # a damaged file can break a parser in any way
    reason = ' '.join(str(error).split())[:300] or type(error).__name__
    raise ValueError(f'{path} cannot be read: {reason}') from error
  if not tensors:
    raise ValueError(f'{path} holds no tensors')
  return Weights(tensors, digest)


def _parse(data: bytes) -> dict[str, np.ndarray]:
  if data[:4] == b'PK\x03\x04':
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
      size = sum(info.file_size for info in archive.infolist())
      limit = min(MAX_BYTES, max(64 << 20, MAX_RATIO * len(data)))
      if size > limit:
        raise ValueError(f'it unpacks to {size:,} bytes; the limit for a file of {len(data):,} is {limit:,}')
      members = {info.filename for info in archive.infolist()}
      pickled = [name for name in members if name.count('/') == 1 and name.endswith('/data.pkl')]
      return _zip(archive, pickled[0].removesuffix('data.pkl')) if len(pickled) == 1 else _npz(archive, members)
  if data[:2] == b'\x80\x02' and data[2:4] == b'\x8a\x0a':  # a pickle that begins with an integer of ten bytes
    return _legacy(data)
  if data[8:9] == b'{' and int.from_bytes(data[:8], 'little') <= len(data) - 8:
    return _safetensors(data)
  raise ValueError('it is none of: a PyTorch state dict, a TorchScript archive, .safetensors, .npz')


def _zip(archive: zipfile.ZipFile, folder: str) -> dict[str, np.ndarray]:
  """torch.save since PyTorch 1.6, and torch.jit.save: data.pkl, and a file data/KEY for each storage."""
  members = set(archive.namelist())
  if f'{folder}byteorder' in members and archive.read(f'{folder}byteorder') != b'little':
    raise ValueError('its values are not little-endian')
  tensors = pickles.flatten(pickles.read(io.BytesIO(archive.read(f'{folder}data.pkl'))))

  @functools.cache  # one copy, however many tensors lie in it
  def load(key: str) -> bytes:
    name = f'{folder}data/{key}'
    if name not in members:
      raise ValueError(f'the file {name} is missing in it')
    return archive.read(name)

  return {name: pickles.array(name, tensor, load) for name, tensor in tensors.items()}


def _legacy(data: bytes) -> dict[str, np.ndarray]:
  """torch.save before PyTorch 1.6: pickles of magic number, protocol, system, value and storage keys; then storages.

  Each storage is its length as int64, then its values.
  """
  stream = io.BytesIO(data)
  if (pickles.read(stream), pickles.read(stream)) != (_LEGACY_MAGIC, _LEGACY_PROTOCOL):
    raise ValueError('it is a pickle, but not of PyTorch')
  system, value, keys = pickles.read(stream), pickles.read(stream), pickles.read(stream)
  if not isinstance(system, dict) or system.get('little_endian') is not True or not isinstance(keys, list):
    raise ValueError('its values are not little-endian, or it is damaged')
  tensors = pickles.flatten(value)
  storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
  blocks, view = {}, memoryview(data)
  position = stream.tell()
  for key in map(pickles.as_key, keys):
    if key not in storages:
      raise ValueError(f'its storage {key} belongs to no tensor')
    length = int.from_bytes(view[position : position + 8], 'little')
    end = position + 8 + length * np.dtype(storages[key].dtype).itemsize
    if end > len(data):
      raise ValueError(f'it is truncated: {end:,} bytes are needed, {len(data):,} are there')
    blocks[key], position = view[position + 8 : end], end
  return {name: pickles.array(name, tensor, blocks.__getitem__) for name, tensor in tensors.items()}


def _safetensors(data: bytes) -> dict[str, np.ndarray]:
  """A length of 8 bytes, a JSON header of dtype, shape and data_offsets by name, then the values."""
  start = 8 + int.from_bytes(data[:8], 'little')
  header = json.loads(data[8:start])
  tensors = {}
  for name, entry in header.items():
    if name == '__metadata__':
      continue
    if entry['dtype'] not in _SAFETENSORS:
      raise ValueError(f'{name} has the type {entry["dtype"]}; known are {", ".join(_SAFETENSORS)}')
    dtype, shape, (low, high) = np.dtype(_SAFETENSORS[entry['dtype']]), entry['shape'], entry['data_offsets']
    numbers = [low, high, *shape]
    if any(type(number) is not int or number < 0 for number in numbers) or not low <= high <= len(data) - start:
      raise ValueError(f'{name} reaches beyond the file: it is truncated or damaged')
    if math.prod(shape) * dtype.itemsize != high - low:
      raise ValueError(f'{name} has the shape {shape}, but {high - low:,} bytes')
    tensors[name] = np.frombuffer(data, dtype, (high - low) // dtype.itemsize, start + low).reshape(shape)
  return tensors


def _npz(archive: zipfile.ZipFile, members: set[str]) -> dict[str, np.ndarray]:
  if not any(name.endswith('.npy') for name in members):
    raise ValueError('it is a zip archive, but neither of PyTorch nor of NumPy')
  return archives.read(archive, {name.removesuffix('.npy') for name in members if name.endswith('.npy')})


def tensor(tensors: Mapping[str, np.ndarray], key: str, shape: tuple[int, ...], where: str) -> np.ndarray:
  """The array of that name, in the type that it has in the file, which `where` names for messages.

  Raises:
    ValueError: it is missing, has another shape, is not float, or is not finite.
  """
  if key not in tensors:
    raise ValueError(f'{where}: the key {key} is missing among its {len(tensors)}')
  value = np.asarray(tensors[key])
  if value.shape != shape:
    raise ValueError(f'{where}: {key} has the shape {list(value.shape)}, not {list(shape)}')
  if value.dtype.kind != 'f':
    raise ValueError(f'{where}: {key} is {value.dtype}, not float')
  if not np.isfinite(value).all():
    raise ValueError(f'{where}: {key} holds values that are NaN or infinite')
  return value


def without_batch_norm(
  kernel: np.ndarray, *, scale: np.ndarray, bias: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> dict[str, np.ndarray]:
  """A convolution with the batch normalisation behind it as one with a bias, computed in float64.

  With g, b, m and v of the normalisation, g (w * x - m) / sqrt(v + epsilon) + b is a convolution with the kernel
  w g / sqrt(v + epsilon) and the bias b - m g / sqrt(v + epsilon).

  Args:
    kernel: [h, w, I, O]; of a depthwise convolution [h, w, 1, O].
    scale, bias, mean, variance: [O].

  Returns:
    'kernel' and 'bias', float32.
  """
  factor = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
  return {'kernel': (kernel * factor).astype(np.float32), 'bias': (bias - mean * factor).astype(np.float32)}
