"""GradScaler: the loss times a large number, so that gradients of float16 do not vanish, and its adaptation.

float16 ends at 6e-8: a smaller gradient is 0. Every gradient of ``scale * loss`` is that many times larger;
before the update it is divided by the scale again, in float32. Where the scale was so large that a gradient
became infinite, the update is left out and the scale halved; after 2000 updates without it is doubled.
"""

from __future__ import annotations

import ctypes
import math
import warnings
from collections.abc import Iterable
from typing import Any

from cnnkit import backends
from cnnkit.amp.autocast_mode import is_autocast_available
from cnnkit.autograd import Tensor, no_grad

__all__ = ["GradScaler"]

NOT_SCALED = ("Attempted {} but _scale is None.  This may indicate your script did not use "
              "scaler.scale(loss or outputs) earlier in the iteration.")
UNSCALED, STEPPED = "unscaled", "stepped"


class GradScaler:
    """Scales losses, and their gradients back, by a number that adapts itself.

    An iteration is ``scaler.scale(loss).backward()``, perhaps ``scaler.unscale_(optimizer)`` to clip the
    gradients, ``scaler.step(optimizer)`` and ``scaler.update()``. bfloat16 has float32's range and needs none
    of it.

    Parameters
    ----------
    device : {"cuda", "cpu"}
        Where the gradients are. Without CUDA, ``"cuda"`` warns and disables the scaler, as in PyTorch.
    init_scale : float
        The first scale.
    growth_factor, backoff_factor : float
        What the scale is multiplied by after `growth_interval` updates in a row, and after one that was left
        out.
    growth_interval : int
        See there.
    enabled : bool
        Without, ``scale(loss)`` is the loss and ``step(optimizer)`` is ``optimizer.step()``.

    Raises
    ------
    AssertionError
        If `growth_factor` is not above 1, or `backoff_factor` not below it.

    References
    ----------
    Micikevicius et al., "Mixed precision training", ICLR 2018.

    Examples
    --------
    >>> import math, cnnkit
    >>> p = cnnkit.tensor([1.0], requires_grad=True)
    >>> optimizer, scaler = cnnkit.optim.SGD([p], lr=0.25), GradScaler("cpu", init_scale=1024.0)
    >>> scaler.scale((p * p).sum()).backward()
    >>> p.grad
    tensor([2048.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> p.tolist(), scaler.get_scale()
    ([0.5], 1024.0)
    >>> scaler.scale((p * math.inf).sum()).backward()
    >>> scaler.step(optimizer)  # left out
    >>> scaler.update()
    >>> p.tolist(), scaler.get_scale()
    ([0.5], 512.0)
    """

    def __init__(self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
                 backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True):
        if enabled and not is_autocast_available(device):
            warnings.warn("GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            enabled = False
        if enabled and growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if enabled and backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._device, self._enabled = device, enabled
        self._scale, self._growth_tracker = _rounded(init_scale), 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._used = False  # `scale` was called
        # of each optimizer's id since the last update: where it stands, and whether a gradient is infinite
        self._stages: dict[int, str] = {}
        self._found: dict[int, bool] = {}

    def scale(self, outputs: Any) -> Any:
        """A loss times the scale; or each of a list, a tuple, an iterable of them."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            self._used = True
            if outputs.dtype.itemsize > 2:
                return outputs * self._scale
            # the scale may be more than float16 holds, and the product less
            return (outputs.to(dtype="float32") * self._scale).to(dtype=outputs.dtype)
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, list | tuple) else scaled
        raise ValueError("outputs must be a Tensor or an iterable of Tensors; "
                         f"got {type(outputs).__name__}")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer by the scale, in place, and look for infinite ones.

        For whoever clips or reads gradients; `step` does it otherwise.

        Raises
        ------
        RuntimeError
            If it was done since the last `update`.
        ValueError
            If gradients are float16: parameters should be float32, and `autocast` convert them.
        """
        if not self._enabled:
            return
        self._need_scale("unscale_")
        stage = self._stages.get(id(optimizer))
        if stage == UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last "
                               "update().")
        if stage == STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if any(grad.dtype.name == "float16" for grad in grads):
            raise ValueError("Attempting to unscale FP16 gradients. The parameters are float16: leave them "
                             "in float32, model.float(), and run the model under autocast")
        if grads:
            self._found[id(optimizer)] = _unscale(grads, _rounded(1.0 / self._scale))
        self._stages[id(optimizer)] = UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step(*args, **kwargs)``, unless a gradient is infinite or NaN; waits for the device.

        Returns
        -------
        object
            What the optimizer's step returns; ``None`` if it was left out.

        Raises
        ------
        RuntimeError
            If it was called since the last `update`, or with a closure.
        AssertionError
            If none of the parameters has a gradient.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._need_scale("step")
        if self._stages.get(id(optimizer)) == STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if id(optimizer) not in self._stages:
            self.unscale_(optimizer)
        if id(optimizer) not in self._found:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None if self._found[id(optimizer)] else optimizer.step(*args, **kwargs)
        self._stages[id(optimizer)] = STEPPED
        return result

    def update(self, new_scale: Any = None) -> None:
        """Adapt the scale, or set it to `new_scale`, a number or a Tensor of one.

        Raises
        ------
        AssertionError
            If no optimizer was stepped since the last update.
        """
        if not self._enabled:
            return
        self._need_scale("update")
        if new_scale is not None:
            self._scale = _rounded(new_scale.item() if isinstance(new_scale, Tensor) else new_scale)
        elif not self._found:
            raise AssertionError("No inf checks were recorded prior to update.")
        elif any(self._found.values()):
            self._scale, self._growth_tracker = _rounded(self._scale * self._backoff_factor), 0
        elif self._growth_tracker + 1 == self._growth_interval:
            grown = _rounded(self._scale * self._growth_factor)
            self._scale, self._growth_tracker = grown if math.isfinite(grown) else self._scale, 0
        else:
            self._growth_tracker += 1
        self._stages, self._found = {}, {}

    def is_enabled(self) -> bool:
        """Whether it scales."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale; 1.0 of a disabled one."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after so many updates."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what `get_growth_factor` gives."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after an infinite gradient."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what `get_backoff_factor` gives."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many updates in a row the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set what `get_growth_interval` gives."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """The scale, its settings and how many updates in a row there were; empty of a disabled one.

        Take it after `update`. PyTorch's are read and written alike.
        """
        if not self._enabled:
            return {}
        return {"scale": self._scale, "growth_factor": self._growth_factor,
                "backoff_factor": self._backoff_factor, "growth_interval": self._growth_interval,
                "_growth_tracker": self._growth_tracker}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a state; a disabled one takes none.

        Raises
        ------
        RuntimeError
            If the state is empty.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("The source state dict is empty, possibly because it was saved from a "
                               "disabled instance of GradScaler.")
        self._scale = _rounded(state_dict["scale"])
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]

    def _need_scale(self, caller: str) -> None:
        if not self._used:
            raise AssertionError(NOT_SCALED.format(caller))


def _unscale(grads: list[Tensor], factor: float) -> bool:
    """Multiply gradients in place; whether one of their numbers is infinite or NaN."""
    finite: list = []
    with no_grad():
        for grad in grads:
            array = grad.array
            xp = backends.namespace_of(array)
            with backends.on(array):
                finite.append(xp.all(xp.isfinite(array)))
                grad.rebind(xp.asarray(array * factor))
    return not all(map(bool, finite))


def _rounded(value: float) -> float:
    """A number as float32, which PyTorch keeps scales in."""
    return ctypes.c_float(value).value
