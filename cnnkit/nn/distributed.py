"""DistributedDataParallel: a model that each rank trains on its part of the data, with common gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from cnnkit import distributed
from cnnkit.autograd import Tensor, is_grad_enabled, no_grad
from cnnkit.autograd.arrivals import Arrivals
from cnnkit.autograd.custom import step
from cnnkit.autograd.tape import afterwards
from cnnkit.distributed.array_sums import ArraySums
from cnnkit.distributed.messages import tell
from cnnkit.nn.module import Module

__all__: list[str] = []  # PyTorch has it in nn.parallel alone


class DistributedDataParallel(Module):
    """A module whose gradients are, after ``backward()``, the means over all ranks: the same bits on each.

    For training loops of one's own, with a `DistributedSampler`; `train.fit` needs no wrapper, and its
    weights do not depend on the number of ranks either. Parameters and buffers are those of rank 0 at first,
    and its buffers (batch norm's statistics) at each call in training.

    Parameters
    ----------
    module : Module
        What is called.
    broadcast_buffers : bool
        Give all ranks the buffers of rank 0 before a call in training.
    bucket_cap_mb : float, optional
        Gradients are sent in buckets of about so many MiB while backward makes others; half of one by
        default.
    device_ids, output_device, dim, process_group, find_unused_parameters, gradient_as_bucket_view, \
static_graph
        Accepted as PyTorch's, and of no effect: parameters that a rank does not use count as zeros there.

    >>> import cnnkit
    >>> from cnnkit import nn
    >>> model = nn.parallel.DistributedDataParallel(nn.Linear(2, 1))
    >>> model(cnnkit.ones(3, 2)).sum().backward()
    >>> model.module.bias.grad
    tensor([3.])
    """

    broadcast_buffers: bool
    module: Module

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0,
                 broadcast_buffers: bool = True, process_group: Any = None, bucket_cap_mb: Any = None,
                 find_unused_parameters: bool = False, check_reduction: bool = False,
                 gradient_as_bucket_view: bool = False, static_graph: bool = False):
        super().__init__()
        distributed.init()
        self.module, self.broadcast_buffers = module, broadcast_buffers
        if bucket_cap_mb is not None and not bucket_cap_mb > 0:
            raise ValueError(f"bucket_cap_mb must be a number of MiB above 0, got {bucket_cap_mb!r}")
        self._bucket = None if bucket_cap_mb is None else int(bucket_cap_mb * (1 << 20))
        self._sync, self._expected = True, False
        self._sums: ArraySums | None = None  # of the backward pass that goes on
        self._sent: dict[int, Any] = {}      # parameter's place -> the array that was sent early
        self._arrivals: Arrivals | None = None
        if not any(parameter.requires_grad for parameter in module.parameters()):
            raise RuntimeError("DistributedDataParallel adds up gradients, and no parameter of the module "
                               "requires one; leave it out")
        for value in (*module.parameters(), *module.buffers()):
            distributed.broadcast(value)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        if self.broadcast_buffers and self.training and self._sync and distributed.world_size() > 1:
            for buffer in self.module.buffers():
                distributed.broadcast(buffer)
        output = self.module(*inputs, **kwargs)
        if not (self._sync and is_grad_enabled()) or distributed.world_size() == 1:
            return output
        return _passed(output, partial(self._backward_begins, _tensors(output)))

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """In the block gradients are only added up on each rank; the next backward outside averages them."""
        before, self._sync = self._sync, False
        try:
            yield
        finally:
            self._sync = before

    def _backward_begins(self, outputs: list[Tensor]) -> None:
        if self._expected:
            return
        self._expected = True
        afterwards(self._average)
        communicator, parameters = distributed.communicator(), self._parameters_to_learn()
        self._sums, self._sent = ArraySums(communicator.size, [p.array for p in parameters]), {}
        if isinstance(communicator, distributed.Overlapping):
            self._sums.travel(communicator, communicator.channels(), self._bucket)
            self._arrivals = Arrivals(outputs, parameters, self._send)
            self._arrivals.begin()

    def _parameters_to_learn(self) -> list[Tensor]:
        return [parameter for parameter in self.module.parameters() if parameter.requires_grad]

    def _send(self, place: int) -> None:
        """Send a gradient off that seems to be whole."""
        gradient = self._parameters_to_learn()[place].grad.array
        self._sent[place] = gradient
        assert self._sums is not None
        self._sums.put_early(distributed.rank(), place, gradient)

    def _average(self) -> None:
        """Replace every gradient by the mean over all ranks; a rank without one counts as zeros."""
        assert self._sums is not None
        if self._arrivals is not None:
            self._arrivals.end()
        sums, sent = self._sums, self._sent
        self._expected, self._sums, self._arrivals, self._sent = False, None, None, {}
        communicator, parameters = distributed.communicator(), self._parameters_to_learn()
        arrays = [None if parameter.grad is None else parameter.grad.array for parameter in parameters]
        changed = [place in sent and sent[place] is not array for place, array in enumerate(arrays)]
        heard = tell(communicator, [*(array is not None for array in arrays), *changed])
        wanted = [any(column) for column in zip(*heard)]
        sums.put(communicator.rank, arrays)
        totals = sums.totals(communicator, wanted[:len(arrays)])
        if any(wanted[len(arrays):]):  # the loss uses parameters beside the output: more has come
            again = ArraySums(communicator.size, [parameter.array for parameter in parameters])
            again.put(communicator.rank, arrays)
            for place, total in enumerate(again.totals(communicator, wanted[len(arrays):])):
                totals[place] = totals[place] if total is None else total
        with no_grad():
            for parameter, total in zip(parameters, totals):
                if total is not None:
                    mean = Tensor(total) / communicator.size
                    parameter.grad = mean.to(dtype=parameter.dtype)


def _tensors(output: Any) -> list[Tensor]:
    """The Tensors of an output that need a gradient."""
    if isinstance(output, Tensor):
        return [output] if output.requires_grad else []
    if isinstance(output, dict):
        output = list(output.values())
    if not isinstance(output, tuple | list):
        return []
    return [tensor for part in output for tensor in _tensors(part)]


def _passed(output: Any, begins: Any) -> Any:
    """The output, whose backward calls `begins` first."""
    if isinstance(output, Tensor):
        if not output.requires_grad:
            return output

        def backward(dy: Tensor | None) -> tuple:
            begins()
            return (dy,)
        return step("distributed data parallel", [output.array], [output], backward)[0]
    if isinstance(output, tuple | list):
        return type(output)(_passed(part, begins) for part in output)
    if isinstance(output, dict):
        return {name: _passed(part, begins) for name, part in output.items()}
    return output
