"""What ``torch.accelerator`` says of the devices that compute instead of the CPU: CUDA's, through CuPy.

>>> from cnnkit import accelerator
>>> device = accelerator.current_accelerator() if accelerator.is_available() else "cpu"
"""

from __future__ import annotations

from cnnkit import backends
from cnnkit.cuda import device_count, is_available, synchronize

__all__ = ["current_accelerator", "device_count", "is_available", "synchronize"]


def current_accelerator(check_available: bool = False) -> backends.device | None:
    """The kind of device that computes here; ``None`` where there is only the CPU.

    >>> current_accelerator() is None or is_available()
    True
    """
    return backends.device("cuda") if is_available() else None
