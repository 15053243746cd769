"""Mixed precision in training: forward and loss under `autocast`, losses scaled where that is float16."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from cnnkit import backends
from cnnkit.amp import GradScaler, autocast
from cnnkit.autograd import Tensor
from cnnkit.optim import Optimizer

__all__ = ["PLAIN", "MixedPrecision"]

PLAIN = "32-true"  # Lightning's words
SIXTEEN_BITS = {"16-mixed": "float16", "bf16-mixed": "bfloat16"}


class MixedPrecision:
    """What `fit(precision=...)` asks for: autocast's block, and the scaler of losses.

    Parameters
    ----------
    name : {"32-true", "16-mixed", "bf16-mixed"}
        As the model is; or under `autocast` in float16, with a `GradScaler`, or in bfloat16.
    parameter : Tensor
        One of the model: it says which backend and device compute.

    Raises
    ------
    ValueError
        If there is no such precision, the backend lacks the dtype, or parameters are no float32.

    >>> import cnnkit
    >>> mixed = MixedPrecision("16-mixed", cnnkit.ones(1))
    >>> with mixed.block():
    ...     (cnnkit.ones(1, 1) @ cnnkit.ones(1, 1)).dtype
    cnnkit.float16
    >>> mixed.scaler.get_scale()
    65536.0
    """

    def __init__(self, name: str, parameter: Tensor):
        self.name = name
        self._dtype = SIXTEEN_BITS.get(name)
        self._device = parameter.device.type
        self.scaler: GradScaler = GradScaler("cpu", enabled=name == "16-mixed")
        if name == PLAIN:
            return
        if self._dtype is None:
            raise ValueError(f"precision is {', '.join(map(repr, [PLAIN, *SIXTEEN_BITS]))}; got {name!r}. "
                             "A model of another dtype is converted before: model.double(), model.half()")
        backend = backends.backend_of(parameter.array)
        if self._dtype not in backend.dtypes:
            available = [repr(other) for other, dtype in SIXTEEN_BITS.items() if dtype in backend.dtypes]
            raise ValueError(f"precision={name!r} needs {self._dtype}, which the backend {backend.name!r} "
                             f"has not; use {available[0] if available else repr(PLAIN)}")
        if parameter.dtype.name != "float32":
            raise ValueError(f"precision={name!r} trains parameters of float32, and the model's are "
                             f"{parameter.dtype.name}; convert them with model.float()")

    def block(self) -> AbstractContextManager[Any]:
        """The block for a forward pass and its loss."""
        return nullcontext() if self._dtype is None else autocast(self._device, self._dtype)

    def overflowing(self) -> AbstractContextManager[Any]:
        """The block for forward and backward passes whose gradients may be infinite: `step` looks."""
        return backends.overflowing() if self.scaler.is_enabled() else nullcontext()

    def step(self, optimizer: Optimizer) -> None:
        """The optimizer's step, left out where a gradient is infinite because the scale was too large."""
        self.scaler.step(optimizer)
        self.scaler.update()
