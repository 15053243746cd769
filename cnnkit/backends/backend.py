"""Backend: what cnnkit must know of an array library."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from cnnkit.backends.dtypes import DTYPES, dtype_name
from cnnkit.backends.kernel import ask
from cnnkit.backends.order import inverse, memory_order
from cnnkit.backends.plugins import Plugin, backend_for, kernel_tables, lock
from cnnkit.backends.printing import text_of
from cnnkit.backends.state import Selection, Watch, choice
from cnnkit.backends.table import KernelTable, Tables

Array = Any


class Unavailable(RuntimeError):
    """A backend or kernel table is known but cannot be used here; the message says why."""


class Backend(Plugin):
    """What cnnkit must know of an array library. Subclass it, or use `ArrayAPIBackend` where the defaults do.

    Attributes
    ----------
    name : str
        What users pass to `use`, ``Tensor.to`` and ``--backend``.
    array_types : tuple of str
        ``"module:qualified name"`` of the array types, as text, so that nothing is imported to compare them.
    distribution : str
        The installed distribution whose version `list` shows.
    host : bool
        Whether data are exchanged with the host as this backend's arrays: only NumPy's are.
    switches : bool
        Whether the library's functions run on a *current* device, not on their arrays' own, as CuPy's do.
        Ops, the walk back over the tape, updates and draws then run inside ``on(device of the array)``;
        whatever else touches arrays says ``with backends.on(array)``.
    shares : tuple of int
        DLPack's types of the devices in whose memory its arrays can be (1: the host, 2: CUDA), for
        `cnnkit.from_dlpack`.
    c_ordered : bool
        Whether results are in C order whatever the order of the arguments, as CuPy's are. Elementwise ops
        then keep the order by themselves; arrays have ``strides``.
    assigns : bool
        Whether an array's elements at integer positions can be assigned; `put` sorts where they cannot.
    lazy : bool
        Whether arrays may have no values yet: they write down what is to be computed, as ONNX's do.
    gaps : mapping of str to str
        What the library cannot do: pattern of names of the conformance kit's cases -> the reason, for
        ``cnnkit check``.
    """

    name = ""
    assigns = True
    lazy = False
    host = False
    c_ordered = False
    shares: tuple[int, ...] = ()
    switches = False
    array_types: tuple[str, ...] = ()
    distribution = ""
    gaps: Mapping[str, str] = MappingProxyType({})

    def available(self) -> bool | str:
        """``True``, or the reason why this backend cannot be used here."""
        return True

    @property
    def namespace(self) -> Any:
        """The Array API namespace that makes and transforms this backend's arrays."""
        raise NotImplementedError(f"backend {self.name!r} must define `namespace`")

    def asarray(self, data: Any, dtype: Any = None, device: Any = None) -> Array:
        """Copy `data` (numbers, nested lists, any library's array) into a new array on `device`.

        `device` is as `locate` takes it; without one, an array of this backend stays on its device.
        """
        if not self.owns(data):
            data = self.hosted(data)
        kwargs = {} if device is None else {"device": self.locate(device)}
        return self.namespace.asarray(data, dtype=None if dtype is None else self.dtype(dtype),
                                      copy=True, **kwargs)

    def upload(self, data: np.ndarray, dtype: Any = None, device: Any = None) -> Callable[[], Array]:
        """Begin to copy a host array; calling the result, in the computing thread, gives the new array.

        A library that copies while it computes starts the copy here, in any thread; the second call makes
        later computations wait for it. By default the whole copy is made at once.
        """
        array = self.asarray(data, dtype, device)
        return lambda: array

    def memory(self) -> str:
        """The device memory that its arrays use, in words; empty where the library does not say."""
        return ""

    def memory_bytes(self) -> tuple[int, int]:
        """Bytes of device memory that arrays use, and that are held for them; zeros where nobody knows."""
        return 0, 0

    def has_values(self, array: Array) -> bool:
        """Whether the array's values can be read: not so where they are only to be computed (`lazy`)."""
        return True

    def hosted(self, data: Any) -> np.ndarray:
        """`data` (numbers, nested lists, any library's array) as a NumPy array; it may share memory."""
        if not hasattr(data, "dtype") or isinstance(data, np.ndarray | np.generic):
            return np.asarray(data)
        backend = backend_for(type(data))
        if backend is not None:
            return backend.to_numpy(data)
        return Backend.to_numpy(self, data) if hasattr(data, "__array_namespace__") else np.asarray(data)

    def to_numpy(self, array: Array) -> np.ndarray:
        """The array's values as a NumPy array; it may share memory with `array`."""
        try:
            return np.asarray(array)
        except (TypeError, RuntimeError, ValueError):
            return np.from_dlpack(array)

    def axis_order(self, array: Array) -> tuple[int, ...]:
        """The axes in order of memory, outermost first (C order: ``(0, 1, ...)``); sums depend on it."""
        strides = getattr(array, "strides", None)
        if not isinstance(strides, tuple):
            strides = self.to_numpy(array).strides
        return tuple(sorted(range(len(strides)), key=lambda axis: -abs(strides[axis])))

    def one(self, like: Array) -> Array:
        """A scalar 1 with the dtype and on the device of `like`, which nobody may write to."""
        return self.namespace.asarray(1, dtype=like.dtype, device=getattr(like, "device", None))

    def add(self, x: Array, y: Array) -> Array:
        """x + y for arrays of one shape, in the order of memory of x if the library can.

        A kernel for the op of this name is asked first.
        """
        total = ask(self.resolve().single.get("add", ()), (x, y), {"needs": (False, False)})
        if total is not NotImplemented:
            return total[0]
        order = memory_order((x,)) if self.c_ordered else None
        if order is None:
            return x + y
        permute = self.namespace.permute_dims
        return permute(permute(x, order) + permute(y, order), inverse(order))

    def assign(self, array: Array, select: Callable[[Array], Array], values: Array) -> Array:
        """A copy of `array` in which the view ``select(array)`` has these values, which broadcast to it."""
        new = self.namespace.asarray(array, copy=True)
        select(new)[...] = values
        return new

    def put(self, array: Array, positions: Array, values: Array) -> Array:
        """A copy of `array` (n,) with `values` (m,) at `positions` (m,); one counts of those that come twice.

        >>> import numpy
        >>> ArrayAPIBackend("plain", numpy).put(numpy.arange(4), numpy.asarray([1]), numpy.asarray([7]))
        array([0, 7, 2, 3])
        """
        if self.assigns:
            new = self.namespace.asarray(array, copy=True)
            new[positions] = values
            return new
        return put_sorted(self.namespace, array, positions, values)

    def has_links(self) -> bool:
        """Whether arrays can go from device to device, to other processes: see `links`."""
        return False

    def links(self, rank: int, size: int, share: Callable[[bytes | None], bytes], like: Array) -> Any:
        """A `distributed.Links` between the devices of `size` processes; all of them call it together.

        ``share(data)`` gives every process the bytes that rank 0 gives; arrays are where `like` is.
        """
        raise NotImplementedError(f"backend {self.name!r} has no links between devices")

    def text(self, array: Array, prefix: str = "") -> str:
        """The values as `repr` shows them, shortened; `prefix` is the text before them on the first line."""
        return text_of(self.to_numpy(array), prefix)

    def warm_up(self, model: Any, shape: tuple[int, ...], batch: int, training: bool = True,
                dtype: str | None = None) -> str:
        """Make ready what a model's first step would wait for, and say in words what that was.

        Kernels that are compiled when they are first used are compiled here. A library without any says
        nothing.

        Parameters
        ----------
        model : Module
            It is left as it is.
        shape : (C, H, W)
        batch : int
        training : bool
            A training step, or a forward pass in evaluation.
        dtype : {"float16", "bfloat16"}, optional
            Under `cnnkit.autocast`.
        """
        return ""

    def synchronize(self) -> None:
        """Return when everything that was started on the device has finished."""

    def device(self) -> str:
        """The device that new arrays are made on, in words."""
        return "cpu"

    def devices(self) -> dict[str, Any]:
        """The library's devices by the names that users write: ``cupy:1`` is ``devices()["1"]``."""
        info = getattr(self.namespace, "__array_namespace_info__", None)
        devices = [] if info is None else info().devices()
        return {str(device): device for device in devices if device is not None}

    def locate(self, device: Any) -> Any:
        """The library's device object for a name; what is no text (``None``, a device) is returned as it is.

        Raises
        ------
        ValueError
            If there is no such device; the message names the existing ones.
        """
        if not isinstance(device, str):
            return device
        devices = self.devices()
        if devices and device not in devices:
            raise ValueError(f"backend {self.name!r} has no device {device!r}; it has "
                             f"{', '.join(f'{self.name}:{name}' for name in devices)}")
        return devices.get(device, device)

    def on(self, device: Any) -> AbstractContextManager[Any]:
        """A block in which functions run on `device`, for libraries that have a current one (`switches`)."""
        return nullcontext()

    @cached_property
    def dtypes(self) -> tuple[str, ...]:
        """Names of the dtypes that the array library has."""
        return tuple(n for n in DTYPES if hasattr(self.namespace, n))

    def dtype(self, dtype: Any) -> Any:
        """This library's dtype object for a name (``"float32"``) or for any library's dtype object."""
        name = dtype_name(dtype)
        if name not in self.dtypes:
            hint = ". float16 is as small: model.half(), or cnnkit.autocast" if (
                name == "bfloat16" and "float16" in self.dtypes) else ""
            raise TypeError(f"backend {self.name!r} has no dtype {name!r}; it has {', '.join(self.dtypes)}"
                            + hint)
        return getattr(self.namespace, name)

    def owns(self, array: Any) -> bool:
        """Whether `array` is one of this backend's arrays."""
        return any(f"{t.__module__}:{t.__qualname__}" in self.array_types for t in type(array).__mro__)

    def version(self) -> str:
        """The array library's version."""
        from importlib import metadata  # a fifth of what `import cnnkit.nn` would take

        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return "unknown version"

    def resolve(self) -> Tables:
        """The kernels that serve this backend now, in order, under the selection of `use` and `tables`."""
        try:
            return self.__dict__["_resolved"][(choice.thread.value or choice.process).tables]
        except KeyError:
            return self._resolve(choice.get().tables)

    def _resolve(self, selection: Selection | Watch) -> Tables:
        """What `resolve` remembers, made by one thread while the others wait."""
        if isinstance(selection, Watch):
            return selection.tables(self)
        with lock:
            resolved = self.__dict__.setdefault("_resolved", {})
            if selection not in resolved:
                resolved[selection] = Tables.of(self.selected(selection))
            return resolved[selection]

    def serving(self) -> list[KernelTable]:
        """The available kernel tables of `resolve`, in the order they are tried in."""
        selection = choice.get().tables
        names = selection.names if isinstance(selection, Watch) else selection
        return [table for table in self.selected(names) if table.available() is True]

    def selected(self, names: Selection) -> list[KernelTable]:
        """This backend's kernel tables with these names (``None``: all), in the order they are tried in."""
        tables = kernel_tables(self.name)
        if names is None:
            return [table for table in tables if not table.by_name]
        # in the order of the names, because use("mine") prefers "mine" to the backend's own table
        return sorted((t for t in tables if t.name in names), key=lambda t: names.index(t.name))

    def __repr__(self) -> str:
        return f"<backend {self.name}>"


def put_sorted(xp: Any, array: Array, positions: Array, values: Array) -> Array:
    """`Backend.put` for arrays that cannot be assigned: each place looks for itself among the positions."""
    if not positions.shape[0]:
        return array
    order = xp.argsort(positions, stable=True)
    chosen = xp.take(positions, order)
    every = xp.arange(array.shape[0], dtype=positions.dtype)
    last = xp.searchsorted(chosen, every, side="right") - 1
    last = xp.where(last < 0, xp.zeros_like(last), last)
    return xp.where(xp.take(chosen, last) == every, xp.take(xp.take(values, order), last), array)


class ArrayAPIBackend(Backend):
    """A backend made from nothing but an Array API namespace, given as a module or as its import name.

    >>> import numpy
    >>> ArrayAPIBackend("plain", numpy, ("numpy:ndarray",)).asarray([1.0], "float32").dtype
    dtype('float32')
    """

    array_types: tuple[str, ...]
    name: str

    def __init__(self, name: str, namespace: Any, array_types: tuple[str, ...] = (), distribution: str = ""):
        self.name, self.array_types = name, array_types
        self.distribution: str = distribution or name
        self._namespace = namespace

    def available(self) -> bool | str:
        if (isinstance(self._namespace, str)
                and importlib.util.find_spec(self.distribution.replace("-", "_")) is None):
            return f"{self.distribution} is not installed (pip install {self.distribution})"
        return True

    @cached_property
    def namespace(self) -> Any:
        return (importlib.import_module(self._namespace)
                if isinstance(self._namespace, str) else self._namespace)
