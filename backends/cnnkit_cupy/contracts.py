"""The device that host code needs to launch kernels: CuPy's and the emulator's satisfy the protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast

from cnnkit.backends import Backend, backend_of

__all__ = ["CountingDevice", "Device", "cuda_of", "device_of"]

Array = Any


class Device(Protocol):
    """A device that kernels run on."""

    def empties(self, shapes: Sequence[tuple[int, ...]], dtype: Any, like: Array) -> list[Array]:
        """Uninitialised arrays in C order on the device of `like`, each at a multiple of 256 bytes."""

    def empty(self, shape: tuple[int, ...], dtype: Any, like: Array, channels_last: bool = False) -> Array:
        """An uninitialised array on the device of `like`, in C order or with its channels last in memory."""

    def counters(self, count: int, like: Array) -> Array:
        """At least `count` zeros of uint32 on the device of `like`, which every kernel leaves as zeros.

        They belong to the current stream: what is launched there comes one after the other.
        """

    def address(self, array: Array) -> int:
        """Where the array begins."""

    def layout(self, array: Array | None) -> Any:
        """What decides whether a kernel takes the array: dtype, shape, strides, where it begins, its device.

        The last one is the device; ``None`` for ``None``.
        """

    def capability(self, like: Array) -> int:
        """The compute capability of the device of `like`: 80 for Ampere's first, as kernels' ``arch``."""

    def multiprocessors(self, like: Array) -> int:
        """How many multiprocessors the device of `like` has: tiles are chosen by it."""

    def table(self, arrays: tuple[Array | None, ...], count: int) -> Any:
        """What `run` takes for up to `count` arrays: the structure of their addresses."""

    def by_value(self, packed: Any) -> Any:
        """What `run` takes for a number or a structure, given as a NumPy array of one element."""

    def run(self, source: str, kernels: tuple[str, ...], name: str,
            grid: tuple[int, int, int], block: tuple[int, int, int],
            arguments: Sequence, written: Sequence[bool], dynamic: int = 0) -> None:
        """Launch the kernel called `name` of this source.

        `written` says which arguments it writes, `dynamic` how many bytes of dynamic shared memory it needs.
        """

    def prepared(self, source: str, kernels: tuple[str, ...], name: str,
                 grid: tuple[int, int, int], block: tuple[int, int, int],
                 arguments: Sequence, written: Sequence[bool], dynamic: int = 0) -> Sequence[Callable]:
        """The launch that `run` would make, as calls without arguments, which on a GPU run no Python."""

    def is_held(self, arrays: Sequence[Array], places: int) -> bool:
        """Whether one of these arrays, which `empties` made, is in more places than that, or has a view."""

    def renewed(self, arrays: Sequence[Array]) -> list[Array]:
        """Other objects for the memory of these arrays, which are in C order."""


class CountingDevice(Device, Protocol):
    """A device that counts what its kernels move: the emulator's."""

    def counted(self) -> AbstractContextManager[list]:
        """A block whose launches are counted into a list."""


class _CudaBackend(Protocol):
    cuda: Device


def device_of(backend: Backend) -> Device:
    """The device on which a backend's kernels run."""
    return cast(_CudaBackend, backend).cuda


def cuda_of(array: Array) -> Device:
    """The device on which kernels that take this array run."""
    return device_of(backend_of(array))
