"""A backend under test: how to enter it, and how arrays get in and out of it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnkit import backends
from cnnkit.backends import Backend, dtype_name
from cnnkit.backends.state import Watch, choice
from cnnkit.backends.table import KernelTable, Tables
from cnnkit.conformance.readonly import ReadOnlyNumPy
from cnnkit.ops.dtypes import is_floating

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.op import OpCase

__all__ = ["Target", "names"]

Array = Any
SPECIAL = {"numpy-readonly": ReadOnlyNumPy()}


def names() -> dict[str, bool | str]:
    """Everything that can be tested: backends, kernel tables with a name of their own, and read-only NumPy.

    Returns
    -------
    dict
        Name -> ``True``, or the reason why it cannot be tested here.
    """
    rows = backends.list()
    statuses: dict[str, bool | str] = {row.name: row.available or row.reason for row in rows}
    for row in rows:
        for table in backends.kernel_tables(row.name):
            statuses.setdefault(table.name, table.available() if row.available else row.reason)
    return {**statuses, **dict.fromkeys(SPECIAL, True)}


class Target:
    """One backend as the checks see it.

    Parameters
    ----------
    backend : str or Backend
        A backend's name, a kernel table's (``"cpu"``), ``"numpy-readonly"``, or a backend that is not
        registered.

    Attributes
    ----------
    name : str
        What reports call it.
    backend : Backend
        Makes the arrays.
    """

    def __init__(self, backend: str | Backend):
        self._use = SPECIAL.get(backend, backend) if isinstance(backend, str) else backend
        self.backend: Backend = backends.get(self._use)
        self.name: str = backend if isinstance(backend, str) else backend.name

    @contextmanager
    def entered(self) -> Iterator[Target]:
        """Make new arrays on this backend, and serve them from its kernels, until the block's end."""
        with backends.use(self._use):
            yield self

    @property
    def gaps(self) -> Mapping[str, str]:
        """What the backend declares that it cannot do: pattern of case names -> reason (``Backend.gaps``)."""
        return self.backend.gaps

    @property
    def tables(self) -> Tables:
        """The kernels that serve its arrays now; the target must be entered."""
        return backends.backend_of(self.asarray(np.zeros(1, np.float32))).resolve()

    @property
    def kernel_tables(self) -> list[KernelTable]:
        """The kernel tables that serve its arrays now; the target must be entered."""
        tables = choice.get().tables
        names = tables.names if isinstance(tables, Watch) else tables
        return [table for table in self.backend.selected(names) if table.available() is True]

    @functools.cache  # noqa: B019 - targets are few and live as long as the run
    def has(self, dtype: str) -> bool:
        """Whether arrays of this dtype can really be made (JAX lists float64 and then makes float32)."""
        if dtype not in self.backend.dtypes:
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dtype_name(self.backend.asarray(np.zeros(1), dtype).dtype) == dtype

    @property
    def narrow(self) -> list[str]:
        """Which dtypes of 16 bits there are."""
        return [d for d in ("float16", "bfloat16") if self.has(d)]

    def dtypes(self, case: OpCase) -> list[str]:
        """The dtypes to run a case in."""
        return [d for d in ("float32", "float64", *(("float16",) if case.half else ())) if self.has(d)]

    def asarray(self, values: Any, dtype: str | None = None) -> Array:
        """A new array of this backend with these values and their dtype (int32 where there is no int64).

        Floating-point values are made `dtype` where it is given: ``"bfloat16"`` is none of NumPy's.
        """
        values = np.asarray(values)
        if dtype is not None and is_floating(values.dtype):
            return self.backend.asarray(values.astype(np.float32), dtype)
        name = dtype_name(values.dtype)
        return self.backend.asarray(values, name if name != "int64" or self.has("int64") else "int32")

    def to_numpy(self, array: Array) -> np.ndarray:
        """The values, in memory of their own."""
        return np.array(self.backend.to_numpy(array))

    def arrays(self, values: tuple[Any, ...],
               change: Callable[[np.ndarray], Array] | None = None) -> list[Any]:
        """A case's inputs as new arrays; numbers and ``None`` stay what they are."""
        make = change or self.asarray
        return [make(v) if isinstance(v, np.ndarray) else v for v in values]

    def attributes(self, case: OpCase) -> list[dict[str, Any]]:
        """A case's attributes with this backend's dtypes and index arrays."""
        return [{name: self._attribute(name, value) for name, value in attrs.items()}
                for attrs in case.attributes]

    def _attribute(self, name: str, value: Any) -> Any:
        if name == "dtype":
            return self.backend.dtype(value)
        return self.asarray(value) if isinstance(value, np.ndarray) else value

    # -- unusual arrays --------------------------------------------------------------------------------------

    def transposed(self, values: np.ndarray) -> Array:
        """The same values, as a view with the axes of its memory in reverse order."""
        axes = tuple(reversed(range(values.ndim)))
        if values.ndim < 2:
            return self.asarray(values)
        return self.backend.namespace.permute_dims(self.asarray(np.ascontiguousarray(values.transpose(axes))),
                                                   axes)

    def channels_last(self, values: np.ndarray) -> Array:
        """The same values, as a view whose second axis is the last in memory."""
        if values.ndim < 3:
            return self.asarray(values)
        last, second = (0, *range(2, values.ndim), 1), (0, values.ndim - 1, *range(1, values.ndim - 1))
        return self.backend.namespace.permute_dims(self.asarray(np.ascontiguousarray(values.transpose(last))),
                                                   second)

    def strided(self, values: np.ndarray) -> Array:
        """The same values, as every second element of a larger array with other numbers between them."""
        if values.ndim == 0 or values.shape[-1] == 0:
            return self.asarray(values)
        between = np.full_like(values, np.nan if is_floating(values.dtype) else 1)
        wide = np.stack([between, values], axis=-1).reshape(*values.shape[:-1], 2 * values.shape[-1])
        return self.asarray(wide)[..., 1::2]

    def frozen(self, values: np.ndarray) -> Array | None:
        """A read-only array with these values, or ``None`` where the library has no such thing."""
        array = self.asarray(values)
        if not hasattr(getattr(array, "flags", None), "writeable"):
            return None
        array.flags.writeable = False
        return array

    def broadcast(self, shape: tuple[int, ...], dtype: str) -> tuple[Array, Array]:
        """Ones, as a view with every stride 0, and in full."""
        xp = self.backend.namespace
        return xp.broadcast_to(self.asarray(np.ones((), dtype)), shape), self.asarray(np.ones(shape, dtype))
