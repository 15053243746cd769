"""The program of a PyTorch file (a pickle of protocol 2) that makes given containers and Tensors again."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from cnnkit.autograd import Tensor
from cnnkit.backends import device, dtype, dtype_name
from cnnkit.foreign import is_array, metadata_of, plain
from cnnkit.nn import Module, Parameter
from cnnkit.ops.strides import contiguous
from cnnkit.safetensors.encoding import CODES, encode
from cnnkit.serialization.storages import STORAGES

__all__ = ["Program"]

DEEPEST = 300  # containers in containers
LONGEST = 255  # bytes of an integer
_TYPED = {kind: name for name, kind in STORAGES.items() if name != "UntypedStorage" and "8_" not in name}


class Program:
    """Writes a program; `storages` are the numbers of its Tensors, in the order of their keys."""

    def __init__(self) -> None:
        self.storages: list[bytes] = []
        self._out = bytearray(b"\x80\x02")
        self._kept: list[Any] = []  # so that no identity is used twice
        self._places: dict[int, int] = {}  # identity -> place in the machine's memory

    def of(self, value: Any) -> bytes:
        """The program that makes `value`."""
        self._write(value, "it", 0)
        return bytes(self._out) + b"."

    def _write(self, value: Any, where: str, depth: int) -> None:
        if depth > DEEPEST:
            raise TypeError(f"cnnkit.save takes containers in containers up to {DEEPEST} deep; "
                            f"{where[:80]}... is deeper")
        if id(value) in self._places:
            self._out += b"j" + struct.pack("<I", self._places[id(value)])
        elif isinstance(value, Tensor):
            self._tensor(value, where)
        elif isinstance(value, Mapping):
            self._mapping(value, where, depth)
        elif type(value) is list:
            self._out += b"]"
            self._keep(value)
            self._items(((item,) for item in value), b"e", where, depth)
        elif isinstance(value, tuple):
            self._out += b"("
            for place, item in enumerate(value):
                self._write(item, f"{where}[{place}]", depth + 1)
            self._out += b"t"
        elif type(value) in (set, frozenset):
            if type(value) is frozenset:
                raise TypeError(f"cnnkit.save cannot save {where}, a frozenset, which PyTorch does not read; "
                                "make it a set")
            self._call("__builtin__", "set", (sorted(value, key=repr),), where, depth)
        else:
            self._scalar(value, where, depth)

    def _scalar(self, value: Any, where: str, depth: int) -> None:
        value = value if isinstance(value, dtype | device) else plain(value)
        if value is None or isinstance(value, bool):
            self._out += {None: b"N", True: b"\x88", False: b"\x89"}[value]
        elif isinstance(value, dtype):
            self._global("torch", value.name)
        elif isinstance(value, device):
            self._call("torch", "device", (str(value),), where, depth)
        elif isinstance(value, int):
            self._integer(value, where)
        elif isinstance(value, float):
            self._out += b"G" + struct.pack(">d", value)
        elif isinstance(value, complex):
            self._call("__builtin__", "complex", (value.real, value.imag), where, depth)
        elif isinstance(value, str):
            text = value.encode("utf-8", "surrogatepass")
            self._out += b"X" + struct.pack("<I", len(text)) + text
        elif isinstance(value, bytes):
            self._call("_codecs", "encode", (value.decode("latin1"), "latin1"), where, depth)
        else:
            raise TypeError(f"cnnkit.save cannot save {where}, {_what(value)}; it saves Tensors, numbers, "
                            "text, bytes, None, and dicts, lists, tuples and sets of them")

    def _integer(self, value: int, where: str) -> None:
        if -(1 << 31) <= value < 1 << 31:
            self._out += b"J" + struct.pack("<i", value)
            return
        digits = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        if len(digits) > LONGEST:
            raise TypeError(f"cnnkit.save cannot save {where}, an integer of {len(digits)} bytes; PyTorch "
                            f"reads at most {LONGEST}")
        self._out += b"\x8a" + bytes([len(digits)]) + digits

    def _mapping(self, value: Mapping, where: str, depth: int) -> None:
        ordered = isinstance(value, OrderedDict)
        if ordered:
            self._global("collections", "OrderedDict")
            self._out += b")R"
        else:
            self._out += b"}"
        self._keep(value)
        self._items(value.items(), b"u", where, depth)
        if ordered and metadata_of(value):
            self._write({"_metadata": metadata_of(value)}, f"{where}._metadata", depth + 1)
            self._out += b"b"

    def _items(self, items: Iterable[tuple], end: bytes, where: str, depth: int) -> None:
        self._out += b"("
        for place, item in enumerate(items):
            name = f"{where}[{item[0]!r:.80}]" if len(item) == 2 else f"{where}[{place}]"
            for part in item:
                self._write(part, name, depth + 1)
        self._out += end

    def _tensor(self, value: Tensor, where: str) -> None:
        key = len(self.storages)
        kind = dtype_name(value.dtype)
        array = value.detach().numpy()
        numbers = np.ascontiguousarray(encode(where, value.detach()) if kind in CODES else array)
        self.storages.append(numbers.astype(numbers.dtype.newbyteorder("<"), copy=False).tobytes())
        typed = kind in _TYPED
        parameter = isinstance(value, Parameter)
        if parameter:
            self._global("torch._utils", "_rebuild_parameter")
            self._out += b"("
        self._global("torch._utils", "_rebuild_tensor_v2" if typed else "_rebuild_tensor_v3")
        self._out += b"(("
        self._write("storage", where, 0)
        if typed:
            self._global("torch", _TYPED[kind])
        else:
            self._global("torch.storage", "UntypedStorage")
        count = numbers.size if typed else numbers.nbytes
        for fact in (str(key), "cpu", count):
            self._write(fact, where, 0)
        self._out += b"tQ"
        view: tuple[Any, ...] = (0, value.shape, contiguous(value.shape),
                                 value.requires_grad and not parameter, OrderedDict())
        for part in view:
            self._write(part, where, 0)
        if not typed:
            self._global("torch", kind)
        self._out += b"tR"
        if parameter:
            self._write(value.requires_grad, where, 0)
            self._write(OrderedDict(), where, 0)
            self._out += b"tR"
        self._keep(value)

    def _call(self, module: str, name: str, arguments: tuple, where: str, depth: int) -> None:
        self._global(module, name)
        self._write(arguments, where, depth + 1)
        self._out += b"R"

    def _global(self, module: str, name: str) -> None:
        self._out += f"c{module}\n{name}\n".encode()

    def _keep(self, value: Any) -> None:
        """Let the machine remember the top of its stack as this object."""
        self._out += b"r" + struct.pack("<I", len(self._kept))
        self._places[id(value)] = len(self._kept)
        self._kept.append(value)


def _what(value: Any) -> str:
    if isinstance(value, Module):
        return f"the module {type(value).__name__}: give its state_dict()"
    if is_array(value):
        return f"an array of {type(value).__module__.split('.')[0]}: give cnnkit.tensor(array)"
    return f"a {type(value).__name__}"
