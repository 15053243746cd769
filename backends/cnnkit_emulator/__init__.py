"""The emulator backend: CUDA kernels compiled for the CPU and checked as they run, for correctness alone."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from cnnkit.backends import Backend


class EmulatorBackend(Backend):
    """Arrays of the emulated device."""

    name = "emulator"
    array_types = ("cnnkit_emulator.array:Array",)
    distribution = "cnnkit"
    c_ordered = True  # as CuPy's results are

    def available(self) -> bool | str:
        from cnnkit_emulator.build import available

        return available()

    @property
    def namespace(self) -> Any:
        from cnnkit_emulator.array import NAMESPACE

        return NAMESPACE

    def to_numpy(self, array: Any) -> np.ndarray:
        return array.host.copy()

    def device(self) -> str:
        return "emulated on the CPU"

    @cached_property
    def cuda(self) -> Any:
        """The device that runs kernels."""
        from cnnkit_emulator.device import EmulatedDevice

        return EmulatedDevice()


backend = EmulatorBackend()
