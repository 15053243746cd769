"""What the names in a PyTorch file mean: those of Tensors and containers; every other is refused."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any

from cnnkit.backends import DTYPES, device, dtype
from cnnkit.nn import Parameter
from cnnkit.serialization.opcodes import Global, Refused, hashable
from cnnkit.serialization.storages import BITS, STORAGES, Views

__all__ = ["Names"]

FUNCTIONS = (
    "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state",
    "torch._tensor._rebuild_from_type_v2", "torch.Size", "torch.device", "collections.OrderedDict",
    "collections.Counter", "builtins.set", "builtins.frozenset", "builtins.complex", "builtins.bytearray",
    "builtins.bytes", "_codecs.encode")
CLASSES = ("torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.Parameter")


class Names:
    """The meaning of names, for the Tensors of one file."""

    def __init__(self, views: Views):
        self.views = views

    def find(self, name: Global) -> Any:
        """What a name becomes on the stack: dtypes themselves, of all else the name, if it is known."""
        module, _, last = name.name.rpartition(".")
        if module == "torch" and (last in DTYPES or last in BITS):
            return dtype(last)
        storage = last in STORAGES and module in ("torch", "torch.storage", "torch.cuda")
        if storage or name.name in FUNCTIONS or name.name in CLASSES:
            return name
        raise _refused(name.name)

    def call(self, name: Global, arguments: tuple[Any, ...]) -> Any:
        """The value of a call."""
        last = name.name.rpartition(".")[2]
        if name.name not in FUNCTIONS or (last not in _CALLS):
            raise _refused(name.name)
        return _CALLS[last](self, *arguments)

    # -- Tensors ---------------------------------------------------------------------------------------------

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False,
                hooks: Any = None, metadata: Any = None) -> Any:
        _no_extras(hooks, metadata)
        return self.views.tensor(storage, offset, size, stride, None, requires_grad)

    def _typed_tensor(self, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any,
                      kind: Any, metadata: Any = None) -> Any:
        _no_extras(hooks, metadata)
        if not isinstance(kind, dtype) or str(kind) not in BITS:
            raise Refused(f"it holds a Tensor of {kind!s:.40}, which cnnkit does not read; it reads "
                          f"{', '.join(BITS)}")
        return self.views.tensor(storage, offset, size, stride, str(kind), requires_grad)

    def _parameter(self, value: Any, requires_grad: Any = True, hooks: Any = None, state: Any = None) -> Any:
        _no_extras(hooks, None)
        return value if value is None else Parameter(value, bool(requires_grad) and value.is_floating_point())

    def _of_type(self, function: Any, kind: Any, arguments: Any, state: Any) -> Any:
        if not isinstance(kind, Global) or kind.name not in CLASSES:
            raise _refused(str(kind)[:80])
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise ValueError("a Tensor is made by something that is no function")
        value = self.call(function, arguments)
        return value if kind.name == "torch.Tensor" else self._parameter(value)


def _no_extras(hooks: Any, metadata: Any) -> None:
    if hooks or metadata:
        raise Refused("it holds a Tensor with hooks, or one that is to be read negated or conjugated")


def _device(kind: Any, index: Any = None) -> Any:
    """A device; one of a kind that is not here stays text."""
    text = str(kind) if index is None else f"{kind}:{int(index)}"
    return device(text) if text.partition(":")[0] in ("cpu", "cuda") else text


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise ValueError("bytes are not written as PyTorch writes them")
    return text.encode("latin1")


def _bytearray(value: Any = b"", encoding: Any = "latin1") -> bytearray:
    return bytearray(value if isinstance(value, bytes) else _encode(value, encoding))


def _bytes(value: Any = ()) -> bytes:
    if value not in ((), [], b""):
        raise ValueError("bytes are not written as PyTorch writes them")
    return b""


def _ordered(items: Any = ()) -> OrderedDict:
    return OrderedDict((hashable(key), value) for key, value in items)


def _counter(counts: Any = None) -> Counter:
    new: Counter = Counter()
    for key, value in (counts or {}).items():
        new[hashable(key)] = value
    return new


def _set(items: Any = ()) -> set:
    return set(map(hashable, _listed(items)))


def _listed(items: Any) -> list | tuple:
    if not isinstance(items, list | tuple):
        raise ValueError(f"a {type(items).__name__} is where a list should be")
    return items


def _complex(real: Any, imag: Any) -> complex:
    return complex(float(real), float(imag))


_CALLS: dict[str, Any] = {
    "_rebuild_tensor": Names._tensor, "_rebuild_tensor_v2": Names._tensor,
    "_rebuild_tensor_v3": Names._typed_tensor, "_rebuild_parameter": Names._parameter,
    "_rebuild_parameter_with_state": Names._parameter, "_rebuild_from_type_v2": Names._of_type,
    "Size": lambda names, items=(): tuple(_listed(items)),
    "device": lambda names, *words: _device(*words),
    "OrderedDict": lambda names, items=(): _ordered(items),
    "Counter": lambda names, counts=None: _counter(counts),
    "set": lambda names, items=(): _set(items),
    "frozenset": lambda names, items=(): frozenset(_set(items)),
    "complex": lambda names, real, imag: _complex(real, imag),
    "bytearray": lambda names, *words: _bytearray(*words),
    "bytes": lambda names, value=(): _bytes(value),
    "encode": lambda names, text, encoding="latin1": _encode(text, encoding),
}


def _refused(name: str) -> Refused:
    return Refused(f"it names {name!r:.100}, and cnnkit reads Tensors, numbers, text and containers only: "
                   "where you trust the file, open it with PyTorch and save model.state_dict()")
