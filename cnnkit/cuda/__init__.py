"""What ``torch.cuda`` says of CUDA devices; they are CuPy's.

>>> from cnnkit import cuda
>>> device = "cuda" if cuda.is_available() else "cpu"
"""

from __future__ import annotations

from typing import Any

from cnnkit import backends, random
from cnnkit.cuda import amp

__all__ = ["amp", "current_device", "device_count", "empty_cache", "get_device_name", "is_available",
           "manual_seed", "manual_seed_all", "synchronize"]

NAME = "cuda"


def device_count() -> int:
    """How many CUDA devices there are; 0 where CuPy is not installed or finds none."""
    try:
        return len(backends.get(NAME).devices())
    except backends.Unavailable:
        return 0


def is_available() -> bool:
    """Whether there is a CUDA device, and CuPy to use it."""
    return device_count() > 0


def current_device() -> int:
    """The number of the device that new Tensors are made on.

    Raises
    ------
    Unavailable
        If there is none; the message says what to install.
    """
    backend = backends.get(NAME)
    chosen, device = backends.place(None)
    if chosen is not backend or device is None:
        return 0
    return next((int(name) for name, native in backend.devices().items() if native == device), 0)


def get_device_name(device: Any = None) -> str:
    """What the maker calls the device that new Tensors are made on."""
    backend, place = backends.place(NAME if device is None else backends.device(device))
    with backend.on(place):
        return backend.device()


def synchronize(device: Any = None) -> None:
    """Return when everything that was started on the device has finished."""
    backends.get(NAME).synchronize()


def empty_cache() -> None:
    """Give the memory back that is kept for later; does nothing without a device."""
    if is_available():
        backends.release_memory()


def manual_seed(seed: int) -> None:
    """`cnnkit.manual_seed`: one generator serves every device."""
    random.seed(seed)


def manual_seed_all(seed: int) -> None:
    """`cnnkit.manual_seed`: one generator serves every device."""
    random.seed(seed)
