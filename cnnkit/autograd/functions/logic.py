"""Logic on truth values, and on the bits of integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.operands import pair
from cnnkit.autograd.value import Value
from cnnkit.ops import elementwise, pairs
from cnnkit.ops.core import Op

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or",
           "bitwise_right_shift", "bitwise_xor", "logical_and", "logical_not", "logical_or", "logical_xor"]


def _truth(input: Any) -> Any:
    return input if input.dtype == "bool" else input != 0


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Whether both are true, that is, not 0.

    >>> import cnnkit
    >>> cnnkit.logical_and(cnnkit.tensor([0, 1]), cnnkit.tensor([1, 2]))
    tensor([False,  True])
    """
    return apply(pairs.bitwise_and, _truth(input), _truth(other))


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Whether one is true, that is, not 0.

    >>> import cnnkit
    >>> cnnkit.logical_or(cnnkit.tensor([0, 1]), cnnkit.tensor([0, 2]))
    tensor([False,  True])
    """
    return apply(pairs.bitwise_or, _truth(input), _truth(other))


def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """Whether one alone is true, that is, not 0.

    >>> import cnnkit
    >>> cnnkit.logical_xor(cnnkit.tensor([0, 1]), cnnkit.tensor([2, 2]))
    tensor([ True, False])
    """
    return apply(pairs.bitwise_xor, _truth(input), _truth(other))


def logical_not(input: Tensor) -> Tensor:
    """Whether each element is 0.

    >>> import cnnkit
    >>> cnnkit.logical_not(cnnkit.tensor([0, 1]))
    tensor([ True, False])
    """
    return apply(elementwise.equal, input, False if input.dtype == "bool" else 0)


def bitwise_and(input: Any, other: Any) -> Tensor:
    """The bits that both have.

    >>> import cnnkit
    >>> cnnkit.bitwise_and(cnnkit.tensor([6]), 3), cnnkit.tensor([True, False]) & cnnkit.tensor([True, True])
    (tensor([2]), tensor([ True, False]))
    """
    return _bits(pairs.bitwise_and, input, other)


def bitwise_or(input: Any, other: Any) -> Tensor:
    """The bits that either has.

    >>> import cnnkit
    >>> cnnkit.bitwise_or(cnnkit.tensor([6]), 3)
    tensor([7])
    """
    return _bits(pairs.bitwise_or, input, other)


def bitwise_xor(input: Any, other: Any) -> Tensor:
    """The bits that one of the two has.

    >>> import cnnkit
    >>> cnnkit.bitwise_xor(cnnkit.tensor([6]), 3)
    tensor([5])
    """
    return _bits(pairs.bitwise_xor, input, other)


def bitwise_left_shift(input: Any, other: Any) -> Tensor:
    """`input` times 2 ** `other`.

    >>> import cnnkit
    >>> cnnkit.bitwise_left_shift(cnnkit.tensor([1, 3]), 2)
    tensor([ 4, 12])
    """
    return _bits(pairs.bitwise_left_shift, input, other)


def bitwise_right_shift(input: Any, other: Any) -> Tensor:
    """`input` divided by 2 ** `other`, rounded down.

    >>> import cnnkit
    >>> cnnkit.bitwise_right_shift(cnnkit.tensor([4, 13]), 2)
    tensor([1, 3])
    """
    return _bits(pairs.bitwise_right_shift, input, other)


def bitwise_not(input: Tensor) -> Tensor:
    """Every bit the other one: -x - 1 of integers, and the opposite of truth values.

    >>> import cnnkit
    >>> cnnkit.bitwise_not(cnnkit.tensor([0, 5])), ~cnnkit.tensor([True])
    (tensor([-1, -6]), tensor([False]))
    """
    if input.dtype.is_floating_point:
        raise TypeError(f"bitwise_not is for integers and truth values; got {input.dtype}")
    return apply(pairs.bitwise_not, input)


def _bits(op: Op, input: Any, other: Any) -> Tensor:
    x, y = pair(input, other)
    if x.dtype.is_floating_point:
        raise NotImplementedError(f"{op.name} is for integers and truth values; got {x.dtype}")
    return apply(op, x, y)


bitwise_invert = bitwise_not


class LogicMethods(Value):
    """Logic, as a Tensor's methods and operators."""

    __slots__ = ()

    bitwise_and = bitwise_and
    bitwise_left_shift = bitwise_left_shift
    bitwise_not = bitwise_not
    bitwise_or = bitwise_or
    bitwise_right_shift = bitwise_right_shift
    bitwise_xor = bitwise_xor
    logical_and = logical_and
    logical_not = logical_not
    logical_or = logical_or
    logical_xor = logical_xor
