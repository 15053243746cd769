"""PyTorch's collectives on Tensors. They change their Tensors in place, in the order of ranks."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from cnnkit.autograd import Tensor, no_grad
from cnnkit.backends import backend_of
from cnnkit.distributed.group import communicator
from cnnkit.distributed.reducing import sum_over_shards
from cnnkit.distributed.tree import TreeSum, combine
from cnnkit.foreign import device_of

__all__ = ["ReduceOp", "all_gather", "all_gather_into_tensor", "all_reduce", "broadcast", "reduce"]


class ReduceOp(Enum):
    """How `all_reduce` puts numbers together."""

    SUM = "sum"
    AVG = "avg"
    PRODUCT = "product"
    MIN = "min"
    MAX = "max"


COMBINE: dict[ReduceOp, Callable[[Any, Any], Any]] = {
    ReduceOp.PRODUCT: np.multiply, ReduceOp.MIN: np.minimum, ReduceOp.MAX: np.maximum}


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: Any = None,
               async_op: bool = False) -> None:
    """Put the Tensors of all ranks together, and give each rank the result, the same bits.

    Parameters
    ----------
    tensor : Tensor
        Changed in place; of the same shape and dtype on every rank.
    op : ReduceOp
        Sums are added in the order of a binary tree over the ranks.

    >>> import cnnkit
    >>> x = cnnkit.tensor([1.0, 2.0])
    >>> all_reduce(x)
    >>> x
    tensor([1., 2.])
    """
    _no_async("all_reduce", async_op)
    comm, host = communicator(), _host(tensor)
    if op in (ReduceOp.SUM, ReduceOp.AVG):
        adding: TreeSum[list[np.ndarray]] = TreeSum(comm.size, lambda left, right: [left[0] + right[0]])
        adding.put(comm.rank, [host])
        total, = sum_over_shards(comm, adding.parts, comm.size, [host])
        if op is ReduceOp.AVG:
            total = (total / comm.size).astype(host.dtype)
    else:
        values = comm.allgather(host)
        total = combine({(0, rank): row for rank, row in enumerate(values)}, comm.size, COMBINE[op])
    _write(tensor, total)


def reduce(tensor: Tensor, dst: int, op: ReduceOp = ReduceOp.SUM, group: Any = None,
           async_op: bool = False) -> None:
    """`all_reduce`; the result is rank `dst`'s, and the other ranks get it too, as PyTorch leaves open."""
    all_reduce(tensor, op, group, async_op)


def broadcast(tensor: Tensor, src: int = 0, group: Any = None, async_op: bool = False) -> None:
    """Give every rank the Tensor that rank `src` has; changed in place.

    >>> import cnnkit
    >>> broadcast(cnnkit.tensor([1.0]))
    """
    _no_async("broadcast", async_op)
    comm, host = communicator(), _host(tensor)
    if not 0 <= src < comm.size:
        raise ValueError(f"src={src} is no rank; there are {comm.size}, counted from 0")
    data = comm.broadcast(host.tobytes() if comm.rank == src else None, src)
    if comm.rank != src:
        _write(tensor, np.frombuffer(data, host.dtype))


def all_gather(tensor_list: list[Tensor], tensor: Tensor, group: Any = None, async_op: bool = False) -> None:
    """Fill a list with the Tensors of all ranks, in their order, in place.

    >>> import cnnkit
    >>> parts = [cnnkit.zeros(2)]
    >>> all_gather(parts, cnnkit.tensor([1.0, 2.0]))
    >>> parts
    [tensor([1., 2.])]
    """
    _no_async("all_gather", async_op)
    comm = communicator()
    if len(tensor_list) != comm.size:
        raise ValueError(f"all_gather() fills one Tensor for each of the {comm.size} ranks, and got "
                         f"{len(tensor_list)}")
    for part, values in zip(tensor_list, comm.allgather(_host(tensor))):
        _write(part, values)


def all_gather_into_tensor(output_tensor: Tensor, input_tensor: Tensor, group: Any = None,
                           async_op: bool = False) -> None:
    """The Tensors of all ranks one after the other in one Tensor, in place."""
    _no_async("all_gather_into_tensor", async_op)
    values = communicator().allgather(_host(input_tensor))
    if output_tensor.numel() != values.size:
        raise ValueError(f"the result has {values.size} elements, and output_tensor {output_tensor.numel()}")
    _write(output_tensor, values.reshape(-1))


def _no_async(name: str, async_op: bool) -> None:
    if async_op:
        raise NotImplementedError(f"{name}(async_op=True) is not served: it returns when it is done")


def _host(tensor: Tensor) -> np.ndarray:
    """A copy of the numbers on the host, (n,)."""
    return np.array(backend_of(tensor.array).to_numpy(tensor.array)).reshape(-1)


def _write(tensor: Tensor, values: np.ndarray) -> None:
    backend, old = backend_of(tensor.array), tensor.array
    new = backend.asarray(np.array(values).reshape(tuple(old.shape)), old.dtype, device_of(old))
    with no_grad():
        tensor.copy_(Tensor(new))
