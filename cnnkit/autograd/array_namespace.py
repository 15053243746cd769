"""The Python Array API on Tensors, as `cnnkit.xp`: the standard's names, arguments and results.

A function runs on the Tensors' own library. Where a gradient is wanted it is recorded, as
`cnnkit.autograd.traced` knows how; a function that has none there raises, unless its derivative is 0.
"""

from __future__ import annotations

import functools
import types
from typing import Any

from cnnkit import backends
from cnnkit.autograd.functions import sorting
from cnnkit.autograd.traced import BACKEND, Traced, tracing
from cnnkit.autograd.value import Value

__all__ = ["ArrayNamespace", "Standard", "xp"]

LISTS = ("broadcast_arrays", "meshgrid")  # whose results the standard wants in a list
LIMITS: dict[str, tuple[str, ...]] = {"finfo": ("eps", "max", "min", "smallest_normal"),
                                     "iinfo": ("max", "min")}
EXTENSIONS = ("fft", "linalg")


class Standard(Value):
    """What the standard asks of an array beside its functions."""

    __slots__ = ()

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """`cnnkit.xp`: the functions of the Python Array API."""
        return xp

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """This Tensor on another device."""
        return self.to(device)  # type: ignore[attr-defined]

    def __complex__(self) -> complex:
        return complex(self.item())


def _into(value: Any, backend: backends.Backend) -> Any:
    """An argument as the array library takes it."""
    if isinstance(value, Value):
        return Traced(value)
    if isinstance(value, backends.dtype):
        return backend.dtype(value)
    if isinstance(value, backends.device):
        return backends.place(value)[1]
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return type(value)(_into(v, backend) for v in value)
    return value


def _out_of(value: Any) -> Any:
    """A result as Tensors and `cnnkit.dtype`."""
    if isinstance(value, Traced):
        return value.tensor
    if hasattr(value, "_fields"):
        return type(value)(*map(_out_of, value))
    if isinstance(value, tuple | list):
        return type(value)(map(_out_of, value))
    is_plain = isinstance(value, bool | int | float | complex | str)
    return value if is_plain or backends.dtype_name(value) not in backends.DTYPES else backends.dtype(value)


def _first(values: Any) -> Value | None:
    """The first Tensor among arguments."""
    for value in values:
        found = value if isinstance(value, Value) else (
            _first(value) if isinstance(value, tuple | list) else None)
        if found is not None:
            return found
    return None


def _call(name: str, owner: str, args: tuple, kwargs: dict) -> Any:
    """Run a function of the standard, of the namespace or of an extension of it."""
    tensor = _first((*args, *kwargs.values()))
    backend = backends.place(kwargs.get("device"))[0] if tensor is None else tensor._backend()
    with tracing(backend):
        namespace = getattr(BACKEND.namespace, owner) if owner else BACKEND.namespace
        result = getattr(namespace, name)(*_into(args, backend),
                                          **{key: _into(value, backend) for key, value in kwargs.items()})
        if name in LIMITS and not owner:
            return _limits(name, result)
        found = _out_of(result)
        return list(found) if name in LISTS else found


def _limits(name: str, native: Any) -> types.SimpleNamespace:
    """What finfo and iinfo return: Python's numbers, and the library's dtype, which equals cnnkit's."""
    number = float if name == "finfo" else int
    return types.SimpleNamespace(bits=int(native.bits), dtype=native.dtype,
                                 **{limit: number(getattr(native, limit)) for limit in LIMITS[name]})


class _Info:
    """What ``xp.__array_namespace_info__()`` returns: dtypes and devices under cnnkit's names."""

    def __init__(self, backend: backends.Backend):
        self.backend = backend

    def capabilities(self) -> dict[str, Any]:
        """What not every library can do, and whether this one can."""
        return dict(self.backend.namespace.__array_namespace_info__().capabilities())

    def default_device(self) -> Any:
        """Where new arrays are made."""
        return xp.empty(()).device

    def devices(self) -> list[Any]:
        """The devices."""
        return [self.default_device()]

    def default_dtypes(self, *, device: Any = None) -> dict[str, backends.dtype]:
        """The dtypes of new arrays of each kind."""
        info = self.backend.namespace.__array_namespace_info__()
        return {kind: backends.dtype(dtype) for kind, dtype in info.default_dtypes().items()}

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, backends.dtype]:
        """The dtypes of one kind, or of some, by name."""
        info = self.backend.namespace.__array_namespace_info__()
        return {name: backends.dtype(dtype) for name, dtype in info.dtypes(kind=kind).items()}


def _argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The positions that sort along an axis; always stable."""
    return sorting.argsort(x, axis, descending)


def _sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The elements in order along an axis; always stable."""
    return sorting.sort(x, axis, descending).values


def _asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
    """A Tensor of an object; a Tensor itself where nothing is to be converted, so that changes are seen."""
    result = _call("asarray", "", (obj,), _given(dtype=dtype, device=device, copy=copy))
    same = isinstance(obj, Value) and not copy and result.array is obj.array
    return obj if same else result


def _clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """Each element, raised to `min` and lowered to `max`."""
    return _call("clip", "", (x,), _given(min=min, max=max))


def _given(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


OWN: dict[str, Any] = {  # what libraries lack, or call otherwise
    "newaxis": None, "argsort": _argsort, "asarray": _asarray, "clip": _clip, "sort": _sort}


class ArrayNamespace(types.ModuleType):
    """The functions of the standard, as far as the array library that `cnnkit.use` chose has them."""

    __array_api_version__ = "2024.12"

    def __init__(self, name: str, owner: str = ""):
        super().__init__(name, __doc__)
        self._owner = owner

    def __array_namespace_info__(self) -> _Info:
        """Dtypes and devices."""
        return _Info(backends.place(None)[0])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        library = backends.place(None)[0].namespace
        native = getattr(library if not self._owner else getattr(library, self._owner), name, None)
        if not self._owner:
            if name in backends.DTYPES:
                return backends.dtype(name)
            if name in OWN:
                return OWN[name]
            if name in EXTENSIONS and native is not None:
                return ArrayNamespace(f"{self.__name__}.{name}", name)
        if native is None or (not callable(native) and not isinstance(native, int | float)):
            raise AttributeError(f"{self.__name__} has no {name!r}", name=name)
        if not callable(native):
            return native

        @functools.wraps(native)
        def function(*args: Any, **kwargs: Any) -> Any:
            return _call(name, self._owner, args, kwargs)
        setattr(self, name, function)
        return function

    def __dir__(self) -> list[str]:
        library = backends.place(None)[0].namespace
        return sorted(name for name in dir(library) if not name.startswith("_"))


xp: ArrayNamespace = ArrayNamespace("cnnkit.xp")
