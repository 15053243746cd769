"""Devices by PyTorch's names: ``"cpu"`` is the host's memory, ``"cuda"`` the backend of CUDA devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit.backends.naming import WORDS
from cnnkit.backends.registry import backend_of, get

if TYPE_CHECKING:
    from cnnkit.backends.backend import Backend

__all__ = ["device", "device_of_array"]

CUDA = WORDS["cuda"]


class device:
    """Where a Tensor's numbers are: what ``x.device`` is, and what ``device=`` takes.

    A Tensor's own device also knows its array library, so ``cnnkit.zeros(3, device=x.device)`` goes with `x`
    on every backend. One that is made from ``"cpu"`` means the library that `cnnkit.use` chose, if that
    computes on the CPU, and NumPy otherwise.

    Parameters
    ----------
    type : str, int or device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, a backend's name, or the number of a CUDA device.
    index : int, optional
        The number of the device.

    Attributes
    ----------
    type : str
        ``"cpu"``, ``"cuda"``, or what the library calls it.
    index : int or None
        Which one.

    Raises
    ------
    RuntimeError
        If there is no such kind of device.

    >>> device("cuda", 1), device("cuda:1").index, device("cuda:1") == device(1)
    (device(type='cuda', index=1), 1, True)
    >>> import cnnkit
    >>> cnnkit.tensor([1.0]).device
    device(type='cpu')
    """

    __slots__ = ("backend", "index", "native", "type")
    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None):
        self.backend: Backend | None = None  # the library, where it is settled
        self.native: Any = None  # the library's own device
        if isinstance(type, device):
            self.backend, self.native = type.backend, type.native
            self.type, self.index = type.type, type.index
            return
        if isinstance(type, int):
            type, index = "cuda", type
        if not isinstance(type, str):
            raise TypeError(f"a device is named by a text, such as 'cpu' or 'cuda:1'; got {type!r:.60}")
        word, _, number = type.partition(":")
        self.index = int(number) if number.isdigit() else index
        self.type = word if word in ("cpu", "cuda") else "cuda" if WORDS.get(word, word) == CUDA else ""
        if not self.type:
            try:
                self.backend = get(word)
            except ValueError as error:
                raise RuntimeError(f"there is no device {type!r}: a device is 'cpu', 'cuda' or 'cuda:1', "
                                   f"or a backend. {error}") from None
            self.native = self.backend.locate(number) if number else None
            self.type = _kind(self.backend.device())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    def __reduce__(self) -> tuple[Any, ...]:
        return device, (self.type, self.index)


def device_of_array(array: Any) -> device:
    """The device that an array is on.

    >>> import numpy
    >>> device_of_array(numpy.zeros(3))
    device(type='cpu')
    """
    backend, native = backend_of(array), getattr(array, "device", None)
    new = device("cpu")
    new.backend, new.native = backend, native
    if backend.name == CUDA:
        new.type = "cuda"
        names = [name for name, candidate in backend.devices().items() if candidate == native]
        new.index = int(names[0]) if names and names[0].isdigit() else None
    elif not backend.host and native is not None:
        text = str(native)
        new.type, number = _kind(text), text.rpartition(":")[2]
        if new.type == text:
            new.type = _kind(backend.device())
        new.index = int(number) if number.isdigit() and new.type != "cpu" else None
    return new


def _kind(text: str) -> str:
    """``"cpu"`` or ``"cuda"``, as far as a library's words for its device say it."""
    lowered = text.lower()
    return "cpu" if "cpu" in lowered else "cuda" if "cuda" in lowered or "gpu" in lowered else text
