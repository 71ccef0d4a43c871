import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from gengan.networks import weights

KIND = {'<f4': 'FloatStorage', '<f8': 'DoubleStorage', '<f2': 'HalfStorage', '<i8': 'LongStorage'}


# A small writer of PyTorch's pickles, opcode by opcode.


def text(value):
  return b'X' + struct.pack('<I', len(value.encode())) + value.encode()


def whole(value):
  return b'K' + bytes([value]) if 0 <= value < 256 else b'J' + struct.pack('<i', value)


def name(module, attribute):
  return b'c' + f'{module}\n{attribute}\n'.encode()


def tuple_of(*parts):
  return b'(' + b''.join(parts) + b't'


def storage_id(key, dtype, length, *view):
  return tuple_of(text('storage'), name('torch', KIND[dtype]), text(key), text('cpu'), whole(length), *view) + b'Q'


def tensor(key, dtype, length, shape, strides, offset=0, view=()):
  arguments = tuple_of(
    storage_id(key, dtype, length, *view),
    whole(offset),
    tuple_of(*map(whole, shape)),
    tuple_of(*map(whole, strides)),
    b'\x89',  # requires_grad
    name('collections', 'OrderedDict') + b')R',  # backward hooks
  )
  return name('torch._utils', '_rebuild_tensor_v2') + arguments + b'R'


def dictionary(items):
  return b'}(' + b''.join(text(key) + value for key, value in items.items()) + b'u'


def program(value):
  return b'\x80\x02' + value + b'.'


def zipped(value, storages, *, folder='archive', extra=()):
  stream = io.BytesIO()
  with zipfile.ZipFile(stream, 'w') as archive:
    archive.writestr(f'{folder}/data.pkl', program(value))
    for key, array in storages.items():
      archive.writestr(f'{folder}/data/{key}', array.tobytes())
    for member, content in extra:
      archive.writestr(f'{folder}/{member}', content)
  return stream.getvalue()


def legacy(value, storages):
  magic = b'\x80\x02\x8a\x0a' + (0x1950A86A20F9469CFC6C).to_bytes(10, 'little') + b'.'
  system = dictionary({'protocol_version': whole(1001), 'little_endian': b'\x88', 'type_sizes': b'}'})
  keys = b'](' + b''.join(map(text, storages)) + b'e'
  blocks = b''.join(struct.pack('<q', array.size) + array.tobytes() for array in storages.values())
  return magic + program(whole(1001)) + program(system) + program(value) + program(keys) + blocks


def safetensors(arrays):
  header, blocks = {'__metadata__': {'format': 'pt'}}, b''
  for key, array in arrays.items():
    offsets = [len(blocks), len(blocks) + array.nbytes]
    header[key] = {'dtype': 'F32', 'shape': list(array.shape), 'data_offsets': offsets}
    blocks += array.tobytes()
  header = json.dumps(header).encode()
  return struct.pack('<Q', len(header)) + header + blocks


A = np.arange(6, dtype=np.float32)
B = np.arange(4, dtype=np.float64)
VALUE = dictionary(
  {
    'plain': tensor('0', '<f4', 6, (2, 3), (3, 1)),
    'transposed': tensor('0', '<f4', 6, (3, 2), (1, 3)),
    'part': tensor('0', '<f4', 6, (2,), (2,), offset=1),
    'scalar': tensor('1', '<f8', 4, (), (), offset=3),
    'note': text('not a tensor'),
  }
)
STORAGES = {'0': A, '1': B}
EXPECTED = {'plain': A.reshape(2, 3), 'transposed': A.reshape(2, 3).T, 'part': A[1:5:2], 'scalar': B[3]}


def write(tmp_path, content):
  path = tmp_path / 'weights.bin'
  path.write_bytes(content)
  return path


def refusal(tmp_path, content):
  """The message with which a file is refused: one line that begins with the file."""
  path = write(tmp_path, content)
  with pytest.raises(ValueError) as caught:
    weights.read(path)
  message = str(caught.value)
  assert message.startswith(str(path)) and '\n' not in message and len(message) < 500
  return message


def scripted(items):
  """An instance of a class that a TorchScript archive defines."""
  return name('__torch__.net', 'Layer') + b')\x81' + dictionary(items) + b'b'


@pytest.mark.parametrize('form', [zipped, legacy])
def test_state_dicts(tmp_path, form):
  tensors = weights.read(write(tmp_path, form(VALUE, STORAGES))).tensors
  assert tensors.keys() == EXPECTED.keys()
  for key, expected in EXPECTED.items():
    np.testing.assert_array_equal(tensors[key], expected)
    assert tensors[key].dtype == expected.dtype


def test_ordered_dictionaries_parameters_and_nesting(tmp_path):
  parameter = tuple_of(tensor('1', '<f8', 4, (4,), (1,)), b'\x88', name('collections', 'OrderedDict') + b')R')
  value = name('collections', 'OrderedDict') + b')R'  # with attributes, as modules have
  value += (
    b'(' + text('model') + dictionary({'x': name('torch._utils', '_rebuild_parameter') + parameter + b'R'}) + b'u'
  )
  value += dictionary({'_metadata': b'}'}) + b'b'
  tensors = weights.read(write(tmp_path, zipped(value, STORAGES))).tensors
  np.testing.assert_array_equal(tensors['model.x'], B)


def test_scripted_modules_are_read_as_their_attributes(tmp_path):
  lengths = name('torch.jit._pickle', 'build_intlist') + b'](K\x03K\x03e\x85R'
  layer = scripted({'weight': tensor('0', '<f4', 6, (6,), (1,)), 'training': b'\x89', 'stride': lengths})
  value = scripted({'layers': scripted({'conv': layer}), 'output': tensor('1', '<f8', 4, (4,), (1,))})
  extra = [('code/__torch__/net.py', 'raise SystemExit'), ('constants.pkl', program(b')'))]
  tensors = weights.read(write(tmp_path, zipped(value, STORAGES, extra=extra))).tensors
  assert tensors.keys() == {'layers.conv.weight', 'output'}
  np.testing.assert_array_equal(tensors['layers.conv.weight'], A)


def test_safetensors_and_npz(tmp_path):
  arrays = {'a': A.reshape(2, 3), 'b': A[:0]}
  stream = io.BytesIO()
  np.savez(stream, **arrays)
  for content in (safetensors(arrays), stream.getvalue()):
    tensors = weights.read(write(tmp_path, content)).tensors
    assert tensors.keys() == arrays.keys()
    np.testing.assert_array_equal(tensors['a'], arrays['a'])


def test_the_hash_is_checked_before_anything_is_read(tmp_path):
  path = write(tmp_path, zipped(VALUE, STORAGES))
  digest = weights.read(path).sha256
  assert weights.read(path, sha256={digest}).sha256 == digest
  with pytest.raises(ValueError, match=r'weights.bin is not the published file, or is damaged: .* not 00000000\.\.\.'):
    weights.read(path, sha256={'0' * 64})
  with pytest.raises(FileNotFoundError, match='nowhere'):
    weights.read(tmp_path / 'nowhere')


class Malicious:
  def __init__(self, function, *arguments):
    self.value = function, arguments

  def __reduce__(self):
    return self.value


@pytest.mark.parametrize('protocol', [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize('form', [zipped, legacy])
def test_code_is_refused_and_not_run(tmp_path, form, protocol):
  target = tmp_path / 'made'
  attack = pickle.dumps({'a': Malicious(os.system, f'touch {target}')}, protocol)
  value = attack.removesuffix(b'.')  # a PROTO in the middle is allowed
  message = refusal(tmp_path, form(value, {}))
  assert 'posix.system' in message if protocol in (2, 3, 4, 5) else 'opcode' in message or 'posix.system' in message
  assert not target.exists()


@pytest.mark.parametrize(
  ('value', 'words'),
  [
    (name('builtins', 'eval') + b'(' + text('1') + b'tR', 'builtins.eval'),
    (name('torch', 'load') + b')R', 'torch.load'),
    (name('torch', 'FloatStorage') + b')R', 'torch.FloatStorage'),
    (name('__torch__.net', 'Layer') + b')R', '__torch__.net.Layer'),  # called, not made
    (name('collections', 'OrderedDict') + b')\x81', 'collections.OrderedDict'),
    (name('__torch__.net', 'Layer') + b'K\x01\x85\x81', '__torch__.net.Layer'),
    (text('builtins') + text('exec') + b'\x93', 'builtins.exec'),
    (b'(' + name('os', 'system') + b'o', 'os.system'),
    (b'(ios\nsystem\n', 'INST'),
    (b'\x82\x01', 'EXT1'),
    (name('torch._utils', '_rebuild_tensor_v2') + b'}' + text('__code__') + b'Nsb', 'damaged'),
    (text('module') + b'\x85Q', 'damaged|unpack'),
    (b'}))s', 'tuple for a key'),
    (b'}(K\x01u', ''),
    (b'e', 'damaged'),
    (b'h\x07', 'damaged'),
    (b'R', 'damaged'),
    (b'2' * 10, 'DUP'),
    (tensor('0', '<f4', 6, (2, 4), (3, 1)), 'beyond its storage'),
    (tensor('0', '<f4', 6, (2, 3), (4, 1)), 'beyond its storage'),
    (tensor('0', '<f4', 6, (6,), (1,), offset=1), 'beyond its storage'),
    (tensor('0', '<f4', 6, (1 << 30,), (0,)), 'beyond its storage'),
    (tensor('0', '<f4', 6, (2,), (-1,), offset=3), 'length'),
    (tensor('0', '<f4', 6, (2, 3), (1,)), 'differ in length'),
    (tensor('0', '<f4', 7, (6,), (1,)), 'has 24 bytes, not 28'),
    (tensor('9', '<f4', 6, (6,), (1,)), 'data/9 is missing'),
    (tensor('0', '<f4', 6, (6,), (1,), view=(tuple_of(text('v'), whole(0), whole(6)),)), 'whole storage'),
    (b'}q\x00' + text('self') + b'h\x00s', 'within itself'),
    (b'', ''),
  ],
)
def test_other_pickles_are_refused(tmp_path, value, words):
  message = refusal(tmp_path, zipped(value, STORAGES))
  assert any(word in message for word in words.split('|'))


def test_tensors_share_what_the_file_lets_them_share(tmp_path):
  values = np.arange(1 << 20, dtype=np.float32)  # 4 MiB, of which a thousand copies would be 4 GiB
  names = [f'k{number}' for number in range(1000)]
  pickled = dictionary({key: tensor('0', '<f4', len(values), (len(values),), (1,)) for key in names})
  entry = {'dtype': 'F32', 'shape': [len(values)], 'data_offsets': [0, values.nbytes]}
  header = json.dumps(dict.fromkeys(names, entry)).encode()
  one_range = struct.pack('<Q', len(header)) + header + values.tobytes()
  for content in (zipped(pickled, {'0': values}), legacy(pickled, {'0': values}), one_range):
    tensors = weights.read(write(tmp_path, content)).tensors
    assert set(tensors) == set(names)
    assert {array.ctypes.data for array in tensors.values()} == {tensors['k0'].ctypes.data}
    np.testing.assert_array_equal(tensors['k999'], values)


def test_a_small_file_does_not_unpack_to_a_large_one(tmp_path):
  stream = io.BytesIO()
  with zipfile.ZipFile(stream, 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('a/data.pkl', program(tensor('0', '<f4', 6, (6,), (1,))))
    archive.writestr('a/data/0', bytes(65 << 20))
  assert 'it unpacks to' in refusal(tmp_path, stream.getvalue())


def test_damage_anywhere_is_a_value_error(tmp_path):
  stream = io.BytesIO()
  np.savez_compressed(stream, a=A, b=B)
  files = zipped(VALUE, STORAGES), legacy(VALUE, STORAGES), safetensors({'a': A}), stream.getvalue()
  rng = np.random.default_rng(0)
  for number in range(400):
    data = bytearray(files[number % len(files)])
    for position in rng.integers(0, len(data), rng.integers(1, 5)):
      data[position] = rng.integers(0, 256)
    try:
      assert sum(array.nbytes for array in weights.read(write(tmp_path, bytes(data))).tensors.values()) < 1 << 20
    except ValueError as error:
      assert '\n' not in str(error)


def test_every_truncation_is_refused(tmp_path):
  stream = io.BytesIO()
  np.savez(stream, a=A)
  for content in (zipped(VALUE, STORAGES), legacy(VALUE, STORAGES), safetensors({'a': A}), stream.getvalue()):
    weights.read(write(tmp_path, content))
    for length in {*range(0, len(content), max(len(content) // 40, 1)), len(content) - 1}:
      refusal(tmp_path, content[:length])


def test_other_files_are_refused(tmp_path):
  stream = io.BytesIO()
  np.savez(stream, a=np.array([Malicious(os.system, 'false')], object))
  assert 'pickled object' in refusal(tmp_path, stream.getvalue())
  stream = io.BytesIO()
  with zipfile.ZipFile(stream, 'w') as archive:
    archive.writestr('readme.txt', 'hello')
  assert 'neither of PyTorch nor of NumPy' in refusal(tmp_path, stream.getvalue())
  assert 'none of' in refusal(tmp_path, b'<!DOCTYPE html><html>')
  assert 'no tensors' in refusal(tmp_path, zipped(b'}', {}))
  assert 'not little-endian' in refusal(tmp_path, zipped(VALUE, STORAGES, extra=[('byteorder', 'big')]))
  damaged = bytearray(zipped(VALUE, STORAGES))
  damaged[damaged.index(A.tobytes()) + 5] ^= 1
  assert 'Bad CRC' in refusal(tmp_path, bytes(damaged))


@pytest.mark.parametrize(
  ('entry', 'words'),
  [
    ({'dtype': 'F32', 'shape': [7], 'data_offsets': [0, 28]}, 'reaches beyond the file'),
    ({'dtype': 'F32', 'shape': [5], 'data_offsets': [0, 24]}, 'has the shape [5], but 24 bytes'),
    ({'dtype': 'F32', 'shape': [-6], 'data_offsets': [0, 24]}, 'reaches beyond'),
    ({'dtype': 'F8_E4M3', 'shape': [6], 'data_offsets': [0, 6]}, 'F8_E4M3'),
    ({'dtype': 'F32'}, ''),
    ([1, 2], ''),
  ],
)
def test_safetensors_headers_are_checked(tmp_path, entry, words):
  header = json.dumps({'a': entry}).encode()
  assert words in refusal(tmp_path, struct.pack('<Q', len(header)) + header + A.tobytes())


def test_files_written_by_torch(tmp_path):
  torch = pytest.importorskip('torch')
  net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Linear(4, 5).half())
  expected = {key: value.detach().numpy() for key, value in net.state_dict().items()}
  torch.save(net.state_dict(), tmp_path / 'zip.pth')
  torch.save(net.state_dict(), tmp_path / 'legacy.pth', _use_new_zipfile_serialization=False)
  torch.save(dict(net.named_parameters()), tmp_path / 'parameters.pth')
  torch.jit.save(torch.jit.script(net), tmp_path / 'script.pt')
  for file in ('zip.pth', 'legacy.pth', 'parameters.pth', 'script.pt'):
    tensors = weights.read(tmp_path / file).tensors
    for key, value in tensors.items():
      np.testing.assert_array_equal(value, expected[key])
    assert len(tensors) >= (6 if file == 'parameters.pth' else 9)
    assert tensors.keys() <= expected.keys()
  torch.save(net, tmp_path / 'module.pth')
  with pytest.raises(ValueError, match=r'torch\.nn\.modules\.container\.Sequential, which is refused'):
    weights.read(tmp_path / 'module.pth')
