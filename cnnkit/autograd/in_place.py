"""Changes in place: a Tensor takes over the value of a result, and its place on the tape.

Arrays stay as they are. Whoever holds the Tensor sees the new value; what was recorded before keeps the old
array, so its gradients stay right, and `backward` refuses where PyTorch would: where a gradient needs values
that have changed (`Op.saves`). Tensors that share memory follow (`cnnkit.autograd.sharing`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnkit import backends
from cnnkit.autograd import sharing
from cnnkit.autograd.calling import apply
from cnnkit.autograd.tape import mode
from cnnkit.autograd.value import Value
from cnnkit.ops import assigning, indexing, shaping
from cnnkit.ops.core import OPS, Op

__all__ = ["apply_to", "assign", "change", "detach_", "fill", "overwrite"]


def change(function: Callable[..., Any], target: Any, *args: Any, **kwargs: Any) -> Any:
    """Let a Tensor become ``function(target, *args, **kwargs)``, and return it.

    Parameters
    ----------
    function : callable
        Of Tensors; its result must fit into the Tensor's shape and dtype.
    target : Tensor
        What is changed.

    Raises
    ------
    RuntimeError
        Where PyTorch refuses: a leaf that requires a gradient, or a view of one, while the tape records; a
        view that was made under ``no_grad()`` or by a function that returns several; elements that share
        memory.
    ValueError
        If the result has another shape.

    >>> import cnnkit
    >>> x = cnnkit.tensor([1.0, 2.0])
    >>> row = x[:1]
    >>> change(cnnkit.exp, row), x
    (tensor([2.718282]), tensor([2.718282, 2.      ]))
    """
    name = getattr(function, "__name__", "this").strip("_")
    _check(name, target, args)
    version, target._version = target._version, [0]  # the call itself must not refuse what it has changed
    if any(arg is target for arg in args):
        args = tuple(_twin(target, version) if arg is target else arg for arg in args)
    try:
        new = function(target, *args, **kwargs)
    finally:
        target._version = version
    if new is not target:
        _take(target, _fitting(name, target, new))
    return target


def apply_to(op: Op, target: Any, *, inplace: bool = False, **attrs: Any) -> Any:
    """``apply(op, target, **attrs)``; with `inplace`, `target` becomes the result.

    >>> import cnnkit
    >>> from cnnkit.ops import activation
    >>> x = cnnkit.tensor([-1.0, 1.0])
    >>> apply_to(activation.relu, x, inplace=True) is x, x
    (True, tensor([0., 1.]))
    """
    if not inplace:
        return apply(op, target, **attrs)
    _check(op.name, target, ())
    version, target._version = target._version, [0]  # the call itself must not refuse what it has changed
    try:
        new = apply(op, target, **attrs)
    finally:
        target._version = version
    _take(target, new)
    return target


def fill(target: Any, value: Any) -> Any:
    """Set every element of `target` to one number; it does not matter if several share memory."""
    return _put(target, value, index=Ellipsis)


def overwrite(target: Any, values: Any) -> Any:
    """Give a Tensor other values, a Tensor's or a number, with broadcasting; their gradient goes to them."""
    if isinstance(values, Value) and values._backend() is not target._backend():
        values = Value.result(target._backend().asarray(values.numpy()))
    return change(_put, target, values, index=Ellipsis)


def assign(target: Any, index: Any, values: Any) -> None:
    """``target[index] = values``; `index` has no Tensors in it."""
    if isinstance(values, Value) and sharing.is_same_view(target, index, values):
        return  # the end of ``x[index] += y``, which has changed the view itself
    alias, met = target._alias, isinstance(values, Value) and sharing.overlap(target, values)
    if met or (alias is not None and alias.overlaps(target.shape)):
        part = apply(indexing.getitem, target, index=index)
        if part._alias is not None:  # PyTorch's rules on overlapping memory are for this part of it
            if met:
                values = apply(shaping.expand, _without_ones(values, part.ndim), shape=part.shape)
            overwrite(part, values)
            return
    if met:
        raise RuntimeError(f"values of shape {values.shape} share memory with the Tensor whose elements they "
                           "are to replace; give a copy, x.clone()")
    change(_put, target, values, index=index)


def _put(target: Any, values: Any, index: Any) -> Any:
    return apply(assigning.index_put, target, values, index=index)


def _without_ones(values: Any, ndim: int) -> Any:
    """Values without the axes of size 1 that are in front and too many."""
    shape = values.shape
    while shape[:1] == (1,) and len(shape) > ndim:
        shape = shape[1:]
    return values if shape == values.shape else apply(shaping.reshape, values, shape=shape)


def detach_(target: Any) -> Any:
    """Make a leaf of the result of an op: it requires no gradient any more."""
    alias = target._alias
    if alias is not None and alias.steps:
        raise RuntimeError("detach_() on a view of another Tensor; use detach()")
    target.array  # noqa: B018 - a pending result would come back with its history
    target._source, target._requires_grad = None, False
    return target


def _twin(target: Any, version: list[int]) -> Any:
    """The same Tensor once more, as an operand that must not be changed in place."""
    target.array  # noqa: B018 - a pending one is computed
    twin = Value.result._of(target._value)
    twin._source, twin._requires_grad, twin._version = target._source, target._requires_grad, version
    return twin


def _check(name: str, target: Any, operands: tuple) -> None:
    """Raise what PyTorch raises before it changes anything."""
    alias = target._alias
    if mode.grad:
        family = None if alias is None or not alias.steps else alias.family.update()
        through_base = family is not None and family.is_grad_required
        if (target._requires_grad or through_base
                or any(isinstance(operand, Value) and operand._requires_grad for operand in operands)):
            if target._requires_grad and target.is_leaf:
                raise RuntimeError(f"{name} in place on a leaf Tensor that requires a gradient; do it inside "
                                   "`with cnnkit.no_grad():`, or on a copy, x.clone()")
            if alias is not None and alias.creation == "no_grad":
                raise RuntimeError(f"{name} in place on a view that was made under no_grad(), while the tape "
                                   "records; make both under no_grad(), or both outside")
            if alias is not None and alias.creation == "several":
                raise RuntimeError(f"{name} in place on one of several views that one function returned, "
                                   "while the tape records; use x[...] for one view, or change a copy, "
                                   "x.clone()")
            if through_base and family is not None and family.source is None:
                raise RuntimeError(f"{name} in place on a view of a leaf Tensor that requires a gradient; do "
                                   "it inside `with cnnkit.no_grad():`, or on a copy, x.clone()")
    if alias is not None and alias.overlaps(target.shape) and name != "fill":
        raise RuntimeError(f"{name} in place on a Tensor of shape {target.shape} in which several elements "
                           "are one number in memory, as expand() makes them; change a copy, x.clone()")


    for other in operands if alias is not None else ():
        if isinstance(other, Value) and sharing.overlap(target, other) == "part":
            raise RuntimeError(f"{name} in place, of a Tensor of shape {target.shape}, with an operand that "
                               "shares some of its memory in another order; give a copy, x.clone()")


KINDS = ("bool", "int", "float", "complex")


def _kind(dtype: Any) -> int:
    name = backends.dtype_name(dtype)
    return next(n for n, kind in enumerate(KINDS) if kind in name)


def _fitting(name: str, target: Any, new: Any) -> Any:
    """A result in the shape and dtype of the Tensor that becomes it."""
    shape, dtype = target.shape, target.dtype
    if new.shape != shape:
        raise ValueError(f"{name} in place needs operands that fit shape {shape}; the result has {new.shape}")
    made = new.dtype
    if made is None:  # what is pending need not know
        made = new.array.dtype
    if made != dtype:
        if _kind(made) > _kind(dtype):
            made, dtype = backends.dtype_name(made), backends.dtype_name(dtype)
            raise RuntimeError(f"{name} in place makes {made} of a Tensor of {dtype}; "
                               f"convert it first with .to(dtype={made!r})")
        new = apply(shaping.cast, new, dtype=dtype)
    return new


def _take(target: Any, new: Any) -> None:
    """Let `target` and the Tensors that share its memory become `new`."""
    if mode.grad and target._requires_grad and not new._requires_grad:  # the old value does not matter
        new = apply(assigning.index_put, target, new, index=Ellipsis)
    alias = target._alias
    if alias is not None:
        sharing.live_views(target)
        alias = target._alias
    if not mode.grad:  # its place on the tape stays
        if alias is None and not target._requires_grad:
            target._become(new)
        else:
            array = new.array
            target.array  # noqa: B018 - a pending one would take its old value later
            target.rebind(array)
    elif alias is None:
        target._become(new)
    else:
        new.array  # noqa: B018 - the others are read from it now
        _record(target, new, alias)


def _record(target: Any, new: Any, alias: sharing.Alias) -> None:
    """Let a Tensor become `new`; its base, and the views of that, go on from there on the tape."""
    family = alias.family.update()
    old_base = _standing_in(target, family)
    target._become(new)
    others = sharing.follow(target)
    if not new._requires_grad and not family.is_grad_required:
        return
    base = new
    if alias.steps:
        base = apply(assigning.replace_view, old_base, new, path=alias.steps)
        family.source, family.is_grad_required = base._source, base._requires_grad
    for other in others:
        if other._alias.family is family:
            seen = base
            for name, attrs in other._alias.steps:
                seen = apply(OPS[name], seen, **attrs)
            other._source, other._requires_grad = seen._source, seen._requires_grad
    family.update()


def _standing_in(target: Any, family: sharing.Family) -> Any:
    """The base of a family as it is before a change, as a Tensor of its own: it may be gone."""
    new = Value.result._of(sharing.read(family.memory.array, family.path))
    new._source, new._requires_grad = family.source, family.is_grad_required
    return new
