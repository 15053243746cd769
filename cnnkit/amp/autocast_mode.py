"""autocast: a block, or a function, whose products run in sixteen bits; see `cnnkit.autograd.casting`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from cnnkit import backends
from cnnkit.autograd import Tensor, calling, casting  # noqa: F401 - casting makes itself known to calling
from cnnkit.autograd.tape import mode

__all__ = ["autocast", "custom_bwd", "custom_fwd", "get_autocast_dtype", "is_autocast_available",
           "is_autocast_enabled"]

DEFAULTS = {"cuda": "float16", "cpu": "bfloat16"}  # PyTorch's


class autocast:
    """Inside the block, or the decorated function, ops choose the dtype that they run in, by PyTorch's lists.

    Convolutions, linear layers and matrix products run in sixteen bits; exponentials, sums, norms, softmax
    and losses in float32; where inputs of two dtypes meet, in the wider; everything else as its inputs come.
    Parameters stay float32 and get gradients of float32: each is converted once until the outermost block
    ends, or until it changes. The backward pass belongs outside of the block. Blocks nest, hold for their
    thread, and ``enabled=False`` leaves dtypes alone within another block.

    The lists are those of PyTorch for CUDA on every device, where PyTorch has other ones for the CPU.

    Parameters
    ----------
    device_type : {"cpu", "cuda"}
        Only Tensors there are converted.
    dtype : dtype, optional
        ``cnnkit.float16`` or ``cnnkit.bfloat16``; by default float16 on CUDA, bfloat16 on the CPU. A backend
        that does not have it, as NumPy has no bfloat16, warns once and stays in float32.
    enabled : bool
        Whether this block converts.
    cache_enabled : bool, optional
        Whether a parameter is converted once (by default), or for each op.

    Raises
    ------
    RuntimeError
        If there is no such kind of device.
    TypeError
        If `dtype` is none of the two.

    >>> import cnnkit
    >>> a, b = cnnkit.ones(2, 2), cnnkit.ones(2, 2)
    >>> with autocast("cpu", dtype=cnnkit.float16):
    ...     product = a @ b
    ...     total = product.sum()
    ...     with autocast("cpu", enabled=False):
    ...         alone = a @ b
    >>> product.dtype, total.dtype, alone.dtype
    (cnnkit.float16, cnnkit.float32, cnnkit.float32)
    >>> @autocast("cpu", dtype=cnnkit.float16)
    ... def squared(x):
    ...     return x @ x
    >>> squared(a).dtype
    cnnkit.float16
    """

    def __init__(self, device_type: str, dtype: Any = None, enabled: bool = True,
                 cache_enabled: bool | None = None):
        self.device: str = _kind(device_type)
        name = DEFAULTS[self.device] if dtype is None else backends.dtype_name(dtype)
        if name not in DEFAULTS.values():
            raise TypeError(f"autocast runs in float16 or bfloat16; got dtype={name}. Without autocast, "
                            "model.float() and model.double() convert a whole model")
        self.fast_dtype: backends.dtype = backends.dtype(name)
        if enabled and not is_autocast_available(self.device):
            warnings.warn("User provided device_type of 'cuda', but CUDA is not available. Disabling",
                          stacklevel=2)
            enabled = False
        self._enabled, self._keeps = enabled, cache_enabled is not False
        self._outer: list[tuple] = []  # what held before each block of this object

    def __enter__(self) -> autocast:
        self._outer.append((mode.casts, mode.kept_casts))
        casts = {device: name for device, name in (mode.casts or {}).items() if device != self.device}
        if self._enabled:
            casts[self.device] = self.fast_dtype.name
        mode.casts = casts or None
        kept = {} if mode.kept_casts is None else mode.kept_casts
        mode.kept_casts = kept if self._keeps else None
        calling.blocks.append(None)
        return self

    def __exit__(self, *exc: object) -> None:
        calling.blocks.pop()
        mode.casts, mode.kept_casts = self._outer.pop()

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)
        return wrapped

    def _again(self) -> autocast:
        """A block like this one: several threads may call a decorated function."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__, _outer=[])
        return new


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether this thread is in an `autocast` block, of one kind of device or of any.

    >>> with autocast("cpu"):
    ...     is_autocast_enabled("cpu"), is_autocast_enabled("cuda")
    (True, False)
    """
    casts = mode.casts or {}
    return bool(casts) if device_type is None else _kind(device_type) in casts


def get_autocast_dtype(device_type: str) -> backends.dtype:
    """The sixteen-bit dtype of this thread's `autocast` block for a kind of device, or the default.

    >>> get_autocast_dtype("cuda")
    cnnkit.float16
    """
    kind = _kind(device_type)
    return backends.dtype((mode.casts or {}).get(kind, DEFAULTS[kind]))


def is_autocast_available(device_type: str) -> bool:
    """Whether there is such a device.

    >>> is_autocast_available("cpu")
    True
    """
    if _kind(device_type) == "cpu":
        return True
    try:
        return bool(backends.get("cuda").devices())
    except backends.Unavailable:
        return False


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: Any = None) -> Callable:
    """Decorate the ``forward`` of an `autograd.Function`: with `cast_inputs` it runs in that dtype.

    Parameters
    ----------
    device_type : {"cpu", "cuda"}
        Where it runs.
    cast_inputs : dtype, optional
        Inside `autocast`, floating-point Tensors are converted to it and `autocast` is off.

    >>> import cnnkit
    >>> class Double(cnnkit.autograd.Function):
    ...     @staticmethod
    ...     @custom_fwd(device_type="cpu", cast_inputs=cnnkit.float32)
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     @custom_bwd(device_type="cpu")
    ...     def backward(ctx, dy):
    ...         return dy * 2
    >>> with autocast("cpu", dtype=cnnkit.float16):
    ...     Double.apply(cnnkit.ones(2).half()).dtype
    cnnkit.float32
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    kind = _kind(device_type)

    @functools.wraps(fwd)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if cast_inputs is None or not is_autocast_enabled(kind):
            return fwd(*args, **kwargs)
        with autocast(kind, enabled=False):
            return fwd(*(_as(x, cast_inputs) for x in args),
                       **{name: _as(x, cast_inputs) for name, x in kwargs.items()})
    return wrapped


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """Decorate the ``backward`` of an `autograd.Function`; see `custom_fwd`. It runs without `autocast`."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    kind = _kind(device_type)

    @functools.wraps(bwd)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with autocast(kind, enabled=False):
            return bwd(*args, **kwargs)
    return wrapped


def _as(value: Any, dtype: Any) -> Any:
    return value.to(dtype=dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


def _kind(device_type: Any) -> str:
    if device_type not in DEFAULTS:
        raise RuntimeError("autocast's device_type is 'cpu' or 'cuda', without a number; "
                           f"got {device_type!r}")
    return device_type
