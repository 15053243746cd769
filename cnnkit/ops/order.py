"""Generic bodies that keep the order of memory, on libraries whose results are always in C order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.backends.order import inverse, memory_order

__all__ = ["keeping_order"]

Array = Any


def keeping_order(generic: Callable, permuted: Callable[..., Mapping[str, Any]]) -> Callable:
    """The body of an op of one output on views of its arrays whose axes are in order of memory.

    Parameters
    ----------
    generic : callable
        The op's body.
    permuted : callable
        ``permuted(order, **attrs)``: the attributes for arrays whose axis i is the axis ``order[i]`` of the
        call's.
    """
    def body(*arrays: Any, needs: Sequence[bool], **attrs: Any) -> tuple:
        order = memory_order(arrays)
        if order is None:
            return generic(*arrays, needs=needs, **attrs)
        xp = namespace_of(next(a for a in arrays if hasattr(a, "ndim")))
        back, ndim = inverse(order), len(order)

        def view(array: Any) -> Any:
            if not getattr(array, "ndim", 0):  # numbers
                return array
            if array.ndim < ndim:  # it is broadcast
                array = xp.reshape(array, (1,) * (ndim - array.ndim) + tuple(array.shape))
            return xp.permute_dims(array, order)
        y, backward = generic(*map(view, arrays), needs=needs, **permuted(order, **attrs))
        y = xp.permute_dims(y, back)
        if backward is None:
            return y, None
        shapes = [getattr(a, "shape", ()) for a in arrays]

        def in_order(dy: Array) -> tuple:
            return tuple([dx if dx is None or not dx.ndim
                          else xp.permute_dims(dx, back) if len(shape) == ndim
                          else xp.reshape(xp.permute_dims(dx, back), shape)
                          for dx, shape in zip(backward(xp.permute_dims(dy, order)), shapes)])
        return y, in_order
    return body
