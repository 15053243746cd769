"""Tensors that share memory, as views do in PyTorch: who they are, and how a change reaches them all.

Arrays are never written. A change gives a Tensor a new array, and the Tensors that share its memory get new
ones too, each read from the whole memory by the ops that once made the view. Reading a Tensor costs nothing
for that; making a view adds it to a list.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from cnnkit.autograd.tape import mode
from cnnkit.backends import namespace_of
from cnnkit.foreign import device_of
from cnnkit.ops.assigning import read, write
from cnnkit.ops.core import Op
from cnnkit.ops.strides import contiguous, in_elements, is_dense, reshaped

__all__ = ["Alias", "Family", "follow", "forget", "is_same_view", "join", "live_views",
           "overlap", "several", "share",
           "share_chosen"]

Array = Any
Strides = tuple[int, ...] | None
Path = tuple[tuple[str, Mapping[str, Any]], ...]  # names of ops, with attributes, that make a view of a base


class Alias:
    """How a Tensor shows a memory: the view that it is of it."""

    __slots__ = ("_strides", "creation", "family", "ordered", "path", "unsure")
    family: Family
    ordered: tuple[int, ...]
    path: Path
    creation: str
    unsure: bool

    def __init__(self, family: Family, path: Path, strides: Strides, creation: str, unsure: bool,
                 ordered: tuple[int, ...] = ()):
        self.family, self.path, self._strides, self.ordered = family, path, strides, ordered
        self.creation = creation  # "no_grad" or "several": PyTorch lets such views be changed less freely
        self.unsure = unsure      # whether PyTorch would share memory depends on the layout it would have

    @property
    def strides(self) -> tuple[int, ...]:
        """In elements; where none were given, those of C order for the shape `ordered`."""
        if self._strides is None:
            self._strides = contiguous(self.ordered)
        return self._strides

    @property
    def steps(self) -> Path:
        """The ops that make this view of its family's base."""
        return self.path[len(self.family.path):]

    def overlaps(self, shape: Sequence[int]) -> bool:
        """Whether several elements of the Tensor are one number in memory."""
        return any(step == 0 and n > 1 for step, n in zip(self.strides, shape))


class Family(Alias):
    """The alias of a Tensor whose views are on one tape with it. A detached Tensor has a family of its own.

    The Tensor, the base, may be gone while a view of it lives: its place on the tape is kept here. The first
    family also holds the memory for all.

    Attributes
    ----------
    array : array
        Of the first family: the values of the whole memory, of the shape of its base.
    members : list
        Of the first family: weak references to all Tensors that show the memory.
    """

    __slots__ = ("array", "base", "first", "is_grad_required", "limit", "members", "source")
    # no reference to itself, or it would stay
    family: Family = property(lambda self: self)  # type: ignore[assignment]
    is_grad_required: Any
    source: Any
    ordered: tuple[int, ...]
    path: Path
    creation: str
    unsure: bool
    array: Any
    limit: int

    def __init__(self, tensor: Any, first: Family | None, path: Path, strides: Strides, unsure: bool,
                 ordered: tuple[int, ...] = ()):
        self.base: weakref.ref[Any] = weakref.ref(tensor)
        self.source, self.is_grad_required = tensor._source, tensor._requires_grad
        self.path, self._strides, self.ordered = path, strides, ordered
        self.creation, self.unsure = "", unsure
        self.first: Family | None = first
        if first is None:
            self.array, self.members, self.limit = tensor._value, [self.base], 8
        else:
            first.add(self.base)

    @property
    def memory(self) -> Family:
        """The family that holds the memory."""
        return self.first or self

    def update(self) -> Family:
        """This, after a look at the base, which may have become one that requires a gradient."""
        base = self.base()
        if base is not None:
            self.source, self.is_grad_required = base._source, base._requires_grad
        return self

    def add(self, member: weakref.ref[Any]) -> None:
        """Make a Tensor one of those that see every change."""
        if len(self.members) >= self.limit:
            self.members = [member for member in self.members if member() is not None]
            self.limit = 8 + 2 * len(self.members)
        self.members.append(member)

    def others(self, tensor: Any) -> list[Any]:
        """The living Tensors that share this memory with one."""
        found = (member() for member in self.members)
        return [t for t in found if t is not None and t is not tensor and t._alias is not None
                and t._alias.family.memory is self]


def _strides(array: Array) -> tuple[int, ...]:
    """An array's strides, in elements: in C order where the library does not say."""
    shape, strides = tuple(array.shape), getattr(array, "strides", None)
    if not isinstance(strides, tuple) or 0 in shape:
        return contiguous(shape)
    return in_elements(shape, strides, array.nbytes // array.size)


def _alias(tensor: Any) -> Alias:
    """A Tensor's alias, made where it has none: then it is the base of a family."""
    alias = tensor._alias
    if alias is None:
        alias = tensor._alias = Family(tensor, None, (), _strides(tensor.array), False)
    return alias


def share(op: Op, attrs: Mapping[str, Any], tensor: Any, result: Any, recording: bool) -> None:
    """Note that `result`, which an op has just made of `tensor`, is a view of it, if it is one in PyTorch."""
    alias, array = tensor._alias, tensor._value
    flags = getattr(array, "flags", None)
    if alias is None and op.view is reshaped and getattr(flags, "c_contiguous", False):
        # most calls, in less time than what follows, which would do the same
        family = tensor._alias = Family(tensor, None, (), None, False, array.shape)
        result._alias = Alias(family, ((op.name, attrs),), None, "" if recording else "no_grad", False,
                              result._value.shape)
        result._version = tensor._version
        family.members.append(weakref.ref(result))
        return
    alias = alias or _alias(tensor)
    shape = tuple(array.shape)
    strides, unsure = op.view(shape, alias.strides, **attrs), alias.unsure  # type: ignore[misc]
    if strides is None:
        if op.name != "reshape" or alias.path or not _is_channels_last(shape, alias.strides):
            return
        strides, unsure = contiguous(result.shape), True
    family, creation = alias.family, alias.creation if recording or alias.creation else "no_grad"
    result._alias = Alias(family, (*alias.path, (op.name, attrs)), strides, creation, unsure)
    result._version = tensor._version
    family.memory.add(weakref.ref(result))


def share_chosen(tensor: Any, result: Any, index: Any, strides: Callable[[tuple], tuple]) -> None:
    """Note that ``tensor[index]``, by positions, is a view in PyTorch; `strides` makes its strides."""
    alias = tensor._alias or _alias(tensor)
    creation = alias.creation if mode.grad or alias.creation else "no_grad"
    result._alias = Alias(alias.family, (*alias.path, ("getitem", {"index": index})), strides(alias.strides),
                          creation, alias.unsure)
    result._version = tensor._version
    alias.family.memory.add(weakref.ref(result))


def _is_channels_last(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether a kernel may have chosen this layout, where PyTorch's result is in C order."""
    order = sorted((axis for axis in range(len(shape)) if shape[axis] != 1), key=lambda axis: -strides[axis])
    return len(shape) > 2 and len(shape) == len(strides) and order[-1:] == [1]


def overlap(tensor: Any, other: Any) -> str:
    """Whether two Tensors have memory in common: ``"all"`` in the same order, ``"part"`` of it, or ``""``.

    As in PyTorch, only Tensors without gaps are compared.
    """
    a, b = tensor._alias, other._alias
    if tensor is other:
        return "all"
    if a is None or b is None or a.family.memory is not b.family.memory:
        return ""
    shapes = tensor.shape, other.shape
    if 0 in (*shapes[0], *shapes[1]) or not all(map(is_dense, shapes, (a.strides, b.strides))):
        return ""
    first, second = _first(a), _first(b)
    n, m = (prod(shape) for shape in shapes)
    if (first, n) == (second, m):
        return "all" if a.strides == b.strides else "part"
    return "part" if first < second + m and second < first + n else ""


def is_same_view(tensor: Any, index: Any, values: Any) -> bool:
    """Whether `values` is the view ``tensor[index]``."""
    a, b = tensor._alias, values._alias
    if a is None or b is None or a.family is not b.family or len(b.path) != len(a.path) + 1:
        return False
    name, attrs = b.path[-1]
    if name != "getitem" or any(mine is not its for mine, its in zip(a.path, b.path)):
        return False
    entries, others = (i if isinstance(i, tuple) else (i,) for i in (index, attrs["index"]))
    return len(entries) == len(others) and all(
        type(entry) is type(e) and isinstance(e, _PLAIN) and entry == e for entry, e in zip(entries, others))


_PLAIN = (int, slice, type(None), type(...))


def _first(alias: Alias) -> int:
    """Where in memory a Tensor's first element is."""
    memory = alias.family.memory.array
    xp, shape = namespace_of(memory), tuple(memory.shape)
    places = xp.reshape(xp.arange(prod(shape), device=device_of(memory)), shape)
    return int(xp.reshape(read(places, alias.path), (-1,))[0])


def join(tensor: Any, other: Any) -> None:
    """Let `tensor`, whose array is `other`'s, share its memory from now on, with a tape of its own."""
    alias = _alias(other)
    tensor._alias = Family(tensor, alias.family.memory, alias.path, alias.strides, alias.unsure)


def forget(tensor: Any) -> None:
    """End a Tensor's sharing of memory."""
    tensor._alias = None


def live_views(tensor: Any) -> list[Any]:
    """The living Tensors that share memory with one; without any, it is no longer noted as shared."""
    alias = tensor._alias
    if alias is None:
        return []
    others = alias.family.memory.others(tensor)
    if not others:
        family = alias.family.update()
        if not alias.creation and (not alias.steps or family.source is not None
                                   or not family.is_grad_required):
            tensor._alias = None
    return others


def follow(tensor: Any) -> list[Any]:
    """Give the Tensors that share memory with `tensor` its new values, and return them."""
    others = live_views(tensor)
    alias = tensor._alias
    if alias is None:
        return others
    if others and (alias.unsure or any(other._alias.unsure for other in others)):
        raise RuntimeError(f"a Tensor of shape {tensor.shape} was changed in place while a Tensor made of it "
                           "by reshape() is in use; whether the two share memory depends on the layout that "
                           "a kernel has chosen. Make the change on a copy, x.clone(), or reshape afterwards")
    memory = alias.family.memory
    memory.array = write(memory.array, tensor._value, alias.path) if alias.path else tensor._value
    for other in others:
        other.array  # noqa: B018 - a pending one would take its old value later
        other._value = read(memory.array, other._alias.path)
    return others


def several(views: Sequence[Any]) -> Any:
    """The results of one call, which PyTorch forbids to change in place where the tape records."""
    for view in views:
        if view._alias is not None and not view._alias.creation:
            view._alias.creation = "several"
    return views
