"""New Tensors of random numbers, the same on every backend: PyTorch's names for `cnnkit.random`.

All take ``generator=``; by default the numbers come from the generator that `cnnkit.manual_seed` starts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cnnkit import backends, random
from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.placing import like, place_of, sizes_of, wrap
from cnnkit.autograd.value import Number, Value
from cnnkit.ops import elementwise

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["bernoulli", "multinomial", "normal", "rand", "rand_like", "randint", "randint_like", "randn",
           "randn_like", "randperm"]


def _key(generator: Any) -> random.Key:
    return random.next_key() if generator is None else generator.next_key()


def rand(*size: Any, generator: Any = None, dtype: Any = None, device: Any = None,
         requires_grad: bool = False, backend: Any = None) -> Tensor:
    """Uniform in [0, 1).

    >>> import cnnkit
    >>> cnnkit.rand(2, generator=cnnkit.Generator().manual_seed(0))
    tensor([0.1744262, 0.953875 ])
    """
    target, place = place_of(device, backend)
    return wrap(random.uniform(_key(generator), sizes_of("rand", size), dtype or backends.get_default_dtype(),
                               backend=target, device=place), requires_grad)


def randn(*size: Any, generator: Any = None, dtype: Any = None, device: Any = None,
          requires_grad: bool = False, backend: Any = None) -> Tensor:
    """Normal, of mean 0 and standard deviation 1.

    >>> import cnnkit
    >>> cnnkit.randn(2, 3).shape
    (2, 3)
    """
    target, place = place_of(device, backend)
    return wrap(random.normal(_key(generator), sizes_of("randn", size),
                              dtype=dtype or backends.get_default_dtype(), backend=target, device=place),
                requires_grad)


def randint(low: int, high: Any = None, size: Any = None, *, generator: Any = None, dtype: Any = "int64",
            device: Any = None, requires_grad: bool = False, backend: Any = None) -> Tensor:
    """Whole numbers from `low` up to `high`, which is left out; ``randint(high, size)`` starts at 0.

    >>> import cnnkit
    >>> cnnkit.randint(0, 10, (2, 3)).shape
    (2, 3)
    """
    if size is None:
        low, high, size = 0, low, high
    if not isinstance(size, tuple | list):
        raise TypeError(f"randint needs its size as a tuple; got {size!r:.60}")
    if not low < high:
        raise RuntimeError(f"randint needs low < high; got {low} and {high}")
    target, place = place_of(device, backend)
    values = random.randint(_key(generator), sizes_of("randint", (size,)), low, high)
    return wrap(target.asarray(values, "int64" if dtype is None else dtype, place), requires_grad)


def randperm(n: int, *, generator: Any = None, dtype: Any = "int64", device: Any = None,
             requires_grad: bool = False, backend: Any = None) -> Tensor:
    """The numbers 0 to n - 1 in random order.

    >>> import cnnkit
    >>> sorted(cnnkit.randperm(4).tolist())
    [0, 1, 2, 3]
    """
    target, place = place_of(device, backend)
    return wrap(target.asarray(random.permutation(_key(generator), n), dtype, place), requires_grad)


def rand_like(input: Value, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
              memory_format: Any = None, generator: Any = None) -> Tensor:
    """`rand` with the shape, dtype and device of `input`.

    >>> import cnnkit
    >>> cnnkit.rand_like(cnnkit.zeros(2, 3)).shape
    (2, 3)
    """
    return rand(input.shape, dtype=dtype or input.dtype, device=like(input, device), generator=generator,
                requires_grad=requires_grad)


def randn_like(input: Value, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
               memory_format: Any = None, generator: Any = None) -> Tensor:
    """`randn` with the shape, dtype and device of `input`.

    >>> import cnnkit
    >>> cnnkit.randn_like(cnnkit.zeros(2, 3)).shape
    (2, 3)
    """
    return randn(input.shape, dtype=dtype or input.dtype, device=like(input, device), generator=generator,
                 requires_grad=requires_grad)


def randint_like(input: Value, low: int, high: int | None = None, *, dtype: Any = None, device: Any = None,
                 requires_grad: bool = False, memory_format: Any = None, generator: Any = None) -> Tensor:
    """`randint` with the shape, dtype and device of `input`.

    >>> import cnnkit
    >>> cnnkit.randint_like(cnnkit.zeros(2, 3), 5).dtype
    cnnkit.float32
    """
    if high is None:
        low, high = 0, low
    return randint(low, high, input.shape, dtype=dtype or input.dtype, device=like(input, device),
                   generator=generator, requires_grad=requires_grad)


def normal(mean: Number | Value = 0.0, std: Number | Value = 1.0, size: Any = None, *, generator: Any = None,
           dtype: Any = None, device: Any = None, requires_grad: bool = False, backend: Any = None) -> Tensor:
    """Normal numbers; `mean` and `std` may be Tensors, one for each number, and then `size` is theirs.

    >>> import cnnkit
    >>> cnnkit.normal(0.0, 1.0, (2, 3)).shape, cnnkit.normal(cnnkit.zeros(4), 1.0).shape
    ((2, 3), (4,))
    """
    given = mean if isinstance(mean, Value) else std if isinstance(std, Value) else None
    if given is None:
        if size is None:
            raise TypeError("normal needs its size, or a Tensor as mean or std")
        new: Any = randn(size, generator=generator, dtype=dtype, device=device, backend=backend)
        new = new * std + mean
        return new.requires_grad_() if requires_grad else new
    total: Any = given + (std if given is mean else mean)  # type: ignore[operator]
    drawn: Any = randn(total.shape, generator=generator, dtype=dtype or given.dtype,
                       device=like(given, device))
    scale, shift = (Value.result(v.array) if isinstance(v, Value) else v for v in (std, mean))
    return drawn * scale + shift


def bernoulli(input: Value, p: float | None = None, *, generator: Any = None) -> Tensor:
    """1 with the probability that `input` holds (or `p`), else 0, in the dtype of `input`.

    Raises
    ------
    RuntimeError
        If `p` is no probability.

    >>> import cnnkit
    >>> cnnkit.bernoulli(cnnkit.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if p is not None and not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli needs a probability, from 0 to 1; got {p}")
    drawn: Any = rand(input.shape, device=input.device, dtype="float32", generator=generator)
    probability: Any = input.detach() if p is None else p  # type: ignore[attr-defined]
    return (drawn < probability).to(dtype=input.dtype)


def multinomial(input: Value, num_samples: int, replacement: bool = False, *,
                generator: Any = None) -> Tensor:
    """Positions along the last axis, drawn with probabilities in the proportion of `input`.

    Parameters
    ----------
    input : Tensor, (n,) or (rows, n)
        Weights, 0 or more; they need not sum to 1.
    num_samples : int
        How many positions a row gets.
    replacement : bool
        Whether a position may come twice.

    Returns
    -------
    Tensor of int64, (num_samples,) or (rows, num_samples)

    Raises
    ------
    RuntimeError
        If there are fewer positions than samples, without replacement.

    >>> import cnnkit
    >>> cnnkit.multinomial(cnnkit.tensor([0.0, 1.0, 0.0]), 1)
    tensor([1])
    """
    if not 1 <= input.ndim <= 2:
        raise RuntimeError(f"multinomial needs weights of one or two axes; got the shape {input.shape}")
    if not 1 <= num_samples <= (math.inf if replacement else input.shape[-1]):
        raise RuntimeError(f"multinomial cannot draw {num_samples} of {input.shape[-1]} positions"
                           f"{'' if replacement else ' without replacement'}")
    weights: Any = input.detach()  # type: ignore[attr-defined]
    if replacement:
        borders = weights.cumsum(-1)
        drawn: Any = rand((*input.shape[:-1], num_samples), device=input.device, dtype=input.dtype,
                          generator=generator)
        drawn = drawn * borders[..., -1:]
        return (borders.unsqueeze(-2) <= drawn.unsqueeze(-1)).sum(-1)
    # Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (2006): the least of -log(u) / w
    drawn = rand(input.shape, device=input.device, dtype=input.dtype, generator=generator)
    some = weights > 0
    ranks: Any = apply(elementwise.where, some, -(1 - drawn).log(), 1.0)
    ranks = apply(elementwise.where, some, ranks / apply(elementwise.where, some, weights, 1.0), math.inf)
    array = ranks.array
    with backends.on(array):
        order: Any = Value.result(backends.namespace_of(array).argsort(array, axis=-1))
    return order[..., :num_samples].to(dtype="int64")


class DrawnMethods(Value):
    """Draws with a Tensor's probabilities, as its methods."""

    __slots__ = ()

    bernoulli = bernoulli
    multinomial = multinomial
