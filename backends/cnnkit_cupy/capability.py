"""GPUs that are older than the kernels: there the ops' own bodies run, and `cnnkit.explain` says why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, wraps
from typing import Any

from cnnkit.backends import decline

__all__ = ["on_capable_devices", "served", "too_old"]

LOWEST = 75  # Turing


@cache
def too_old() -> Mapping[int, str]:
    """The devices that the kernels do not serve, by number, and why."""
    import cupy

    reasons = {}
    for n in range(cupy.cuda.runtime.getDeviceCount()):
        capability = int(cupy.cuda.Device(n).compute_capability)
        if capability < LOWEST:
            reasons[n] = (f"cupy:{n} has compute capability {capability / 10}, and the kernels need "
                          f"{LOWEST / 10} or more")
    return reasons


def served() -> bool | str:
    """``True`` if the kernels serve some device here, or why they serve none."""
    import cupy

    reasons = too_old()
    return "; ".join(reasons.values()) if len(reasons) == cupy.cuda.runtime.getDeviceCount() else True


def on_capable_devices(kernels: Mapping, reasons: Mapping[int, str]) -> Mapping:
    """The kernels, so that they decline arrays on these devices."""
    def capable(kernel: Callable) -> Callable:
        @wraps(kernel)
        def serve(*arguments: Any, **settings: Any) -> Any:
            reason = reasons.get(_device(arguments))
            return kernel(*arguments, **settings) if reason is None else decline(reason)
        return serve
    if not reasons:
        return kernels
    return {key: tuple(map(capable, found)) if isinstance(found, tuple) else capable(found)
            for key, found in kernels.items()}


def _device(arguments: Iterable) -> int:
    """The number of the device of the first array, also in lists; of a draw, where its result goes."""
    import cupy

    for argument in arguments:
        if isinstance(argument, cupy.ndarray):
            return argument.data.device_id
        if isinstance(argument, list) and argument:
            return _device(argument)
        if isinstance(argument, cupy.cuda.Device):
            return argument.id
    return cupy.cuda.Device().id
