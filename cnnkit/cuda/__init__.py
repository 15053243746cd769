"""What ``torch.cuda`` says of CUDA devices; they are CuPy's.

>>> from cnnkit import cuda
>>> device = "cuda" if cuda.is_available() else "cpu"
"""

from __future__ import annotations

from typing import Any

from cnnkit import backends, random, suggestions
from cnnkit.cuda import amp

__all__ = ["amp", "current_device", "device_count", "empty_cache", "get_device_name", "is_available",
           "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_reserved",
           "memory_allocated", "memory_reserved", "reset_peak_memory_stats", "set_device", "synchronize"]

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


def set_device(device: Any) -> None:
    """Nothing, where the device is the one that is used; another one is chosen by `cnnkit.use`.

    Raises
    ------
    Unavailable
        If there is no CUDA device; the message says what to install.
    RuntimeError
        If the device is not the current one.
    """
    number, current = device if isinstance(device, int) else backends.device(device).index, current_device()
    if number not in (None, current):
        raise RuntimeError(f"device {number} is not the one that is used: choose it by "
                           f"cnnkit.use('cuda:{number}'), or write device='cuda:{number}'")


def memory_allocated(device: Any = None) -> int:
    """Bytes that arrays use on the device; 0 without one."""
    return backends.get(NAME).memory_bytes()[0] if is_available() else 0


def memory_reserved(device: Any = None) -> int:
    """Bytes that CuPy's pool holds on the device, in use or for later; 0 without a device."""
    return backends.get(NAME).memory_bytes()[1] if is_available() else 0


def max_memory_allocated(device: Any = None) -> int:
    """`memory_reserved`: CuPy counts no peak, but its pool keeps what arrays have used.

    `empty_cache` gives back what is not in use.
    """
    return memory_reserved(device)


def max_memory_reserved(device: Any = None) -> int:
    """`memory_reserved`, which shrinks by `empty_cache` alone."""
    return memory_reserved(device)


def reset_peak_memory_stats(device: Any = None) -> None:
    """Let the next `max_memory_allocated` count from now on: give back what is not in use."""
    empty_cache()


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


def __getattr__(name: str) -> Any:
    raise suggestions.attribute_error("module 'cnnkit.cuda'", name, __all__, suggestions.CUDA)
