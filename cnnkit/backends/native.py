"""Native calls: what a kernel table offers so that its kernels run again without Python.

`cnnkit.capture` records a step once: every kernel of it runs as ever, and the table notes the native calls
that the kernel made (C functions, CUDA launches) with their arguments. Replaying is then running the list of
native calls. A table takes part by ``KernelTable(..., native=...)``, a function that makes a `NativeCalls`
for each recording. Memory is all that has to be known of arguments: where an argument points to is given as
a `Place`, so that the same call may be made on other memory.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

__all__ = [
    "Argument",
    "BoundCall",
    "CallNotes",
    "Executable",
    "NativeCall",
    "NativeCalls",
    "NativeSlices",
    "NativeTogether",
    "NativeUpdates",
    "NativeWatch",
    "PerImage",
    "Place",
    "Together",
    "UpdateNumbers",
]

Array = Any


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a native call.

    Attributes
    ----------
    kind : {"number", "read", "write", "reads", "writes", "held"}
        A number that is passed by value; the address of memory that is read, or may be written (and read); a
        table of such addresses; an object of the host that is kept and does not change by itself, such as a
        table of sizes.
    name : str
        The parameter's name; ``"k0"`` and ``"k1"`` are the words of a random key.
    value : int, float, tuple of int, or object
        The number, the address, the addresses, or the object. An address of 0 is no memory.
    """

    kind: str
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class NativeCall:
    """A native call as it was made: the function, its arguments, and what it returned (``None``: nothing).

    A result decides what Python does next, so a replay goes on only where it is the same.
    """

    function: str
    arguments: tuple[Argument, ...]
    result: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Memory: so many bytes behind the address that stands under a number in the table of bases."""

    base: int
    offset: int


@dataclass(frozen=True, slots=True)
class BoundCall:
    """A call that is to be made again.

    Attributes
    ----------
    call : NativeCall
    places : sequence of Place, tuple of Place or None, or None
        For each argument where it points to now, of a table for each of its addresses; ``None`` for numbers,
        held objects and the address 0.
    key : int or None
        Which of the replay's random keys stands in its arguments ``k0`` and ``k1``.
    """

    call: NativeCall
    places: Sequence[Place | tuple[Place | None, ...] | None]
    key: int | None


class CallNotes(Protocol):
    """Who is told what kernels do.

    Attributes
    ----------
    replays : bool
        Whether the calls are to be made again. Then a kernel may serve what it would leave to another.
    """

    replays: bool

    def allocated(self, array: Array) -> None:
        """A kernel has got this new memory, for a result or to work in."""

    def called(self, call: NativeCall) -> None:
        """A kernel has made this native call."""

    def unlike(self, reason: str) -> None:
        """The kernel does something that the notes cannot say."""


class Executable(Protocol):
    """Native calls, ready to be made again."""

    def run(self, bases: Any) -> int:
        """Make the calls on the memory at these `bases`; 0, or the number of the call that returned something
        else than it did when it was recorded, after which none was made.
        """

    def set_key(self, number: int, key: tuple[int, int]) -> None:
        """Set one of the replay's random keys."""

    def set_number(self, call: int, name: str, value: Any) -> None:
        """Set an argument of a call, by its place in the list and its name: a number, or the bytes of a held
        object, as many as before. Asked for the numbers of `NativeUpdates` alone.
        """


class NativeCalls(Protocol):
    """How a table's kernels are noted and run again.

    Attributes
    ----------
    pure : frozenset of str
        Names of the ops whose kernels, forward and back, do nothing but native calls to what they compute. A
        kernel of another op, and one of these that does something else for once (an array that the notes do
        not know, memory that is read before a native call has written it), is called again in Python.
    """

    pure: frozenset[str]

    def settings(self) -> Hashable:
        """What, beside a call's arguments, decides which native calls are made: threads, instruction set."""

    def held(self) -> int:
        """How many bytes the table keeps for the results and the work of its kernels."""

    def release(self) -> None:
        """Give back what nobody uses of them."""

    def noting(self, notes: CallNotes) -> AbstractContextManager[None]:
        """A block in which `notes` is told of this thread's native calls and memory."""

    def where(self, array: Array) -> tuple[int, int, Any]:
        """Address and number of bytes of an array, gaps included, and the object that owns the memory.

        It must allow weak references.
        """

    def address(self, array: Array) -> int:
        """Where an array's first element is."""

    def memory(self, nbytes: int) -> tuple[Any, int]:
        """New memory, and its address."""

    def array(self, memory: Any, offset: int, shape: tuple[int, ...], dtype: Any,
              strides: tuple[int, ...]) -> Array:
        """An array on memory that `memory` made; strides in bytes."""

    def bases(self, count: int) -> Any:
        """A table of addresses, to be set by number."""

    def build(self, calls: Sequence[BoundCall]) -> Executable:
        """The calls, ready to be made again in this order."""


@runtime_checkable
class NativeWatch(Protocol):
    """What a table's `NativeCalls` may have besides: what depends on parameters alone is kept.

    The calls that read nothing but parameters, and what such calls have made (packed filters), are made again
    only where the parameters' numbers have changed.
    """

    def watch(self, memory: Sequence[tuple[Place, int]]) -> Callable[[Any, bool], bool]:
        """A function of the table of bases: whether the numbers in this memory, places with their bytes, are
        others than at its last call. It is told, too, whether the memory is where it was then.
        """


@dataclass(frozen=True, slots=True)
class PerImage:
    """How a native call takes one image after the other.

    Attributes
    ----------
    argument, images : str, int
        The argument that says how many images there are, and how many.
    nbytes : dict
        Name of an argument that has some memory for each image -> bytes from one image to the next.
    together : int
        How many images are worth taking at once: what they read and write stays in the cache.
    """

    argument: str
    images: int
    nbytes: Mapping[str, int]
    together: int


@runtime_checkable
class NativeSlices(Protocol):
    """What a table's `NativeCalls` may have besides: calls of an evaluation are made for some images at a
    time, so that a call finds in the cache what the one before has left.
    """

    def per_image(self, call: NativeCall) -> PerImage | None:
        """How it takes images; ``None`` if its results may depend on how many it is given."""


@dataclass(frozen=True, slots=True)
class Together:
    """One native call that does what several calls do, which are alike but for their memory.

    Attributes
    ----------
    call : NativeCall
    sizes : mapping of str to int
        Names of the arguments whose memory is each call's own, and how many bytes one call has there. The
        calls' lie one behind the other.
    room : str
        The argument whose memory the call works in.
    room_size : int
        How many bytes that are now.
    """

    call: NativeCall
    sizes: Mapping[str, int]
    room: str
    room_size: int


@runtime_checkable
class NativeTogether(Protocol):
    """What a table's `NativeCalls` may have besides: parts of a batch make some of their calls together."""

    def together(self, call: NativeCall, count: int) -> Together | None:
        """One call with the bits of `count` such calls; ``None`` where there is none."""


@dataclass(frozen=True, slots=True)
class UpdateNumbers:
    """What a replay has to know of an optimizer's update that is one native call.

    Attributes
    ----------
    function : str
        The native function, which the kernel calls once for each group of parameters.
    form : callable
        ``form(**settings)``: what of the update's settings decides how the call is made. Where that is
        another than it was when the call was recorded, the step is recorded anew.
    numbers : callable
        ``numbers(steps, **settings)``: the arguments that follow from the settings, and from the number of
        each parameter's step (of those that have a gradient; ``None`` of updates that do not count), by
        their names.
    """

    function: str
    form: Callable[..., Hashable]
    numbers: Callable[..., dict[str, Any]]


@runtime_checkable
class NativeUpdates(Protocol):
    """What a table's `NativeCalls` may have besides: optimizers' updates become a part of the list.

    Their settings are read at each replay. Without it, the optimizer's step is made in Python after the list.

    Attributes
    ----------
    updates : mapping of str to UpdateNumbers
        By the update's name.
    """

    updates: Mapping[str, UpdateNumbers]
