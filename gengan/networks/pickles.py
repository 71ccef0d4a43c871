"""Tensors from PyTorch's pickles, without unpickling: the opcodes are read as data, and nothing is ever called.

A pickle is a program for a stack machine that may import and call anything. The machine below knows only the opcodes
that PyTorch writes for dictionaries of tensors and for TorchScript modules. What a pickle imports stays a name; the
names of a short list have a meaning here, and any other is an error.
"""

import io
import math
import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

MAX_NODES = 200_000  # opcodes of one pickle, and objects in what it describes

_STORAGES = {  # and the type of their values
  'torch.DoubleStorage': '<f8',
  'torch.FloatStorage': '<f4',
  'torch.HalfStorage': '<f2',
  'torch.LongStorage': '<i8',
  'torch.IntStorage': '<i4',
  'torch.ShortStorage': '<i2',
  'torch.CharStorage': 'i1',
  'torch.ByteStorage': 'u1',
  'torch.BoolStorage': '?',
}
_REBUILT = {'torch._utils._rebuild_tensor', 'torch._utils._rebuild_tensor_v2'}
_WRAPPED = {  # the value is the first argument
  'torch._utils._rebuild_parameter',
  'torch.jit._pickle.build_intlist',
  'torch.jit._pickle.build_doublelist',
  'torch.jit._pickle.build_boollist',
  'torch.jit._pickle.build_tensorlist',
  'torch.jit._pickle.restore_type_tag',
}
_ORDERED = 'collections.OrderedDict'
_SCRIPTED = '__torch__.'  # classes that a TorchScript archive defines itself; they are read as their attributes


class Tensor(NamedTuple):
  """Where a tensor's values lie; lengths in elements."""

  storage: 'Storage'
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]


class Storage(NamedTuple):
  """A block of values kept outside the pickle."""

  key: str
  dtype: str
  length: int


class _Global(NamedTuple):
  name: str


class _Object:
  """An instance of a TorchScript class."""

  def __init__(self):
    self.attributes = {}


def read(stream: io.BytesIO) -> Any:
  """The value of the pickle that starts at the stream's position, which moves to the pickle's end.

  Returns:
    Dictionaries, lists, numbers, strings and `Tensor`s.

  Raises:
    ValueError: truncated, or more than data: the message names the import or opcode.
  """
  machine = _Machine()
  try:
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
      if count > MAX_NODES:
        raise ValueError(f'its pickle has more than {MAX_NODES:,} opcodes')
      if opcode.name == 'STOP':
        return machine.stack.pop()
      machine.step(opcode.name, argument)
  except (IndexError, KeyError, TypeError, AttributeError) as error:
    raise ValueError(f'its pickle is damaged ({type(error).__name__}: {error})') from None
  raise ValueError('its pickle is truncated')


class _Machine:
  """The pickle machine on inert values."""

  def __init__(self):
    self.stack = []
    self.marks = []
    self.memo = {}

  def step(self, name: str, argument: Any) -> None:
    stack = self.stack
    match name:
      case 'PROTO' | 'FRAME':
        pass
      case 'MARK':
        self.marks.append(len(stack))
      case 'NONE' | 'NEWTRUE' | 'NEWFALSE':
        stack.append({'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False}[name])
      case 'BININT' | 'BININT1' | 'BININT2' | 'LONG1' | 'BINFLOAT':
        stack.append(argument)
      case 'BINUNICODE' | 'SHORT_BINUNICODE' | 'BINUNICODE8' | 'BINSTRING' | 'SHORT_BINSTRING':
        stack.append(argument)
      case 'EMPTY_DICT' | 'EMPTY_LIST' | 'EMPTY_TUPLE':
        stack.append({'EMPTY_DICT': dict, 'EMPTY_LIST': list, 'EMPTY_TUPLE': tuple}[name]())
      case 'TUPLE' | 'LIST':
        stack.append({'TUPLE': tuple, 'LIST': list}[name](self._since_mark()))
      case 'TUPLE1' | 'TUPLE2' | 'TUPLE3':
        stack.append(tuple(self._pop(int(name[-1]))))
      case 'BINPUT' | 'LONG_BINPUT':
        self.memo[argument] = stack[-1]
      case 'MEMOIZE':
        self.memo[len(self.memo)] = stack[-1]
      case 'BINGET' | 'LONG_BINGET':
        stack.append(self.memo[argument])
      case 'APPEND' | 'APPENDS':
        values = self._pop(1) if name == 'APPEND' else self._since_mark()
        _expect(stack[-1], list).extend(values)
      case 'SETITEM' | 'SETITEMS':
        pairs = self._pop(2) if name == 'SETITEM' else self._since_mark()
        _expect(stack[-1], dict).update(zip(map(as_key, pairs[::2]), pairs[1::2], strict=True))
      case 'GLOBAL' | 'STACK_GLOBAL':
        stack.append(_global('.'.join(argument.split(' ', 1) if name == 'GLOBAL' else self._pop(2))))
      case 'BINPERSID':
        stack.append(_storage(stack.pop()))
      case 'NEWOBJ':
        stack.append(_instance(*self._pop(2)))
      case 'REDUCE':
        stack.append(_call(*self._pop(2)))
      case 'BUILD':
        _set_state(*self._pop(1), stack[-1])
      case _:
        raise ValueError(f'its pickle has the opcode {name}, which tensors do not need')

  def _pop(self, count: int) -> list:
    if len(self.stack) < count:
      raise IndexError('the stack is empty')
    values = self.stack[-count:]
    del self.stack[-count:]
    return values

  def _since_mark(self) -> list:
    mark = self.marks.pop()
    values = self.stack[mark:]
    del self.stack[mark:]
    return values


def _expect(value: Any, kind: type) -> Any:
  if type(value) is not kind:
    raise TypeError(f'{kind.__name__} expected, not {type(value).__name__}')
  return value


def _global(name: str) -> _Global:
  if name not in {_ORDERED, *_REBUILT, *_WRAPPED, *_STORAGES} and not name.startswith(_SCRIPTED):
    raise ValueError(f'its pickle asks for {name}, which is refused: only tensors are read')
  return _Global(name)


def _storage(identity: Any) -> Storage:
  kind, dtype, key, _, length, *view = _expect(identity, tuple)
  if kind != 'storage' or any(part is not None for part in view):
    raise ValueError('its pickle refers to something other than a whole storage')
  return Storage(as_key(key), _STORAGES[_expect(dtype, _Global).name], _whole(length))


def _instance(kind: Any, arguments: Any) -> _Object:
  name = _expect(kind, _Global).name
  if not name.startswith(_SCRIPTED) or arguments != ():
    raise ValueError(f'its pickle makes an instance of {name}, which is refused')
  return _Object()


def _call(function: Any, arguments: Any) -> Any:
  name, arguments = _expect(function, _Global).name, _expect(arguments, tuple)
  if name == _ORDERED:
    pairs = _expect(arguments[0], list) if arguments else []
    return {as_key(key): value for key, value in pairs}
  if name in _WRAPPED:
    return arguments[0]
  if name in _REBUILT:
    storage, offset, shape, strides = arguments[:4]
    shape, strides = (tuple(_whole(length) for length in _expect(lengths, tuple)) for lengths in (shape, strides))
    if len(shape) != len(strides):
      raise ValueError('its pickle has a tensor whose shape and strides differ in length')
    return Tensor(_expect(storage, Storage), _whole(offset), shape, strides)
  raise ValueError(f'its pickle calls {name}, which is refused')


def _set_state(state: Any, target: Any) -> None:
  if isinstance(target, _Object):
    target.attributes.update(_expect(state, dict))
  else:  # an OrderedDict's attributes: versions of PyTorch's modules
    _expect(target, dict)


def _whole(value: Any) -> int:
  if type(value) is not int or value < 0:
    raise ValueError('its pickle has a length that is not a whole number from 0')
  return value


def as_key(value: Any) -> str:
  """A dictionary's key. Nothing else is hashed or printed: tuples within tuples can be made to take for ever."""
  if type(value) not in (str, int):
    raise ValueError(f'its pickle has a {type(value).__name__} for a key')
  return str(value)


def flatten(value: Any) -> dict[str, Tensor]:
  """Every tensor of dictionaries and modules within each other, by its dotted name.

  Raises:
    ValueError: too many objects.
  """
  tensors, seen = {}, 0
  pending = [('', value)]
  while pending:
    path, value = pending.pop()
    seen += 1
    if seen > MAX_NODES or len(path) > 1000:
      raise ValueError(f'its pickle describes more than {MAX_NODES:,} objects, or an object within itself')
    if isinstance(value, _Object):
      value = value.attributes
    if isinstance(value, Tensor):
      tensors[path] = value
    elif isinstance(value, dict):
      pending += [(f'{path}.{key}' if path else key, item) for key, item in value.items()]
  return tensors


def array(name: str, tensor: Tensor, load: Callable[[str], bytes]) -> np.ndarray:
  """The tensor's values, a read-only view of its storage; `load` gives the bytes of the one with that key.

  Raises:
    ValueError: the storage has another length than the pickle says, or is too short for the tensor.
  """
  storage, offset, shape, strides = tensor
  block, expected = load(storage.key), storage.length * np.dtype(storage.dtype).itemsize
  if len(block) != expected:
    raise ValueError(f'its storage {storage.key} has {len(block):,} bytes, not {expected:,}')
  values = np.frombuffer(block, storage.dtype)
  last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
  if math.prod(shape) > len(values) or (math.prod(shape) and last >= len(values)):
    raise ValueError(f'{name} reaches beyond its storage of {len(values):,} values')
  steps = [stride * values.itemsize for stride in strides]
  return np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False)
