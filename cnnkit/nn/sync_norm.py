"""SyncBatchNorm: batch normalisation by the statistics of the whole batch, wherever its parts are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from cnnkit import backends
from cnnkit.autograd import Tensor, no_grad
from cnnkit.autograd.counting import count
from cnnkit.autograd.custom import step
from cnnkit.autograd.tape import mode
from cnnkit.distributed.meeting import current
from cnnkit.distributed.tree import Node, combine
from cnnkit.nn.module import Module
from cnnkit.nn.norm import _BatchNorm

__all__ = ["SyncBatchNorm"]

Moments = tuple[float, list[float], list[float]]  # count, mean and sum of squared deviations by channel


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation of inputs with any number of axes, over all ranks or shards in training.

    Moments are merged in the order of one tree, so the result does not depend on how many processes there
    are (in `train.fit`, where the parts are the run's shards). Steps with it are not captured where there are
    other parts. Parameters are as in `BatchNorm2d`.

    >>> SyncBatchNorm(8, affine=False)
    SyncBatchNorm(8, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=True)
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1,
                 affine: bool = True, track_running_stats: bool = True, process_group: Any = None, *,
                 device: Any = None, dtype: Any = None, bias: bool = True, backend: Any = None):
        if process_group is not None:
            raise ValueError("SyncBatchNorm takes in all ranks; leave out "
                             f"process_group={process_group!r}")
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device=device, dtype=dtype,
                         bias=bias, backend=backend)

    def _check_axes(self, shape: tuple[int, ...]) -> None:
        if len(shape) < 2:
            raise ValueError(f"{self._name()} expected at least 2D input (got {len(shape)}D input of shape "
                             f"{shape})")

    def forward(self, input: Tensor) -> Tensor:
        meeting = current()
        if meeting.parts == 1 or not (self.training or self.running_mean is None):
            return super().forward(input)
        self._check_axes(input.shape)
        if input.shape[1] != self.num_features:
            raise ValueError(f"{self._name()} got an input of shape {input.shape}: {input.shape[1]} channels "
                             f"in axis 1. Make the layer with num_features={input.shape[1]}")
        if mode.recorder is not None:
            mode.recorder.fail("SyncBatchNorm waits for the moments of the batch's other parts")
        with no_grad():
            total = _merged(meeting.tell(_numbers(input)))
            size, mean, deviations = total
            if size <= 1:
                raise ValueError(f"{self._name()} needs more than one value for each channel in training; "
                                 f"all parts together have {size:.0f}")
            if meeting.first() and self.training and self.running_mean is not None:
                self._track(size, mean, [d / (size - 1) for d in deviations])
        rstd = [1 / math.sqrt(d / size + self.eps) for d in deviations]
        return self._normalized(input, size, mean, rstd)

    def _track(self, size: float, mean: list[float], var: list[float]) -> None:
        batches = cast(Tensor, self.num_batches_tracked)
        count(batches)
        momentum = 1 / batches.item() if self.momentum is None else self.momentum
        for running, values in ((self.running_mean, mean), (self.running_var, var)):
            buffer = cast(Tensor, running)
            new = _row(values, buffer)
            buffer.rebind((buffer * (1 - momentum) + new * momentum).to(dtype=buffer.dtype).array)

    def _normalized(self, x: Tensor, size: float, mean: list[float], rstd: list[float]) -> Tensor:
        shape = (1, -1, *[1] * (x.ndim - 2))
        axes = [axis for axis in range(x.ndim) if axis != 1]
        scale = _row(rstd, x).reshape(shape)
        weight = None if self.weight is None else Tensor(self.weight.array).reshape(shape)
        with no_grad():
            hat = (x - _row(mean, x).reshape(shape)) * scale
            y = hat if weight is None else hat * weight
            if self.bias is not None:
                y = y + self.bias.reshape(shape)
        inputs = [x, *(p for p in (self.weight, self.bias) if p is not None)]

        def backward(dy: Tensor | None) -> tuple:
            if dy is None:
                return (None,) * len(inputs)
            with no_grad():
                sum_dy, sum_dy_hat = dy.sum(dim=axes), (dy * hat).sum(dim=axes)
                of_parts = current().tell([*sum_dy.tolist(), *sum_dy_hat.tolist()])
                total = combine(dict(zip(_leaves(of_parts), of_parts)), len(of_parts), _added)
                means = [_row([number / size for number in half], x).reshape(shape)
                         for half in (total[:self.num_features], total[self.num_features:])]
                dx = (dy - means[0] - hat * means[1]) * scale
                gradients = [dx if weight is None else dx * weight]
                if self.weight is not None:
                    gradients.append(sum_dy_hat)
                if self.bias is not None:
                    gradients.append(sum_dy)
            return tuple(gradients)
        return step("sync_batch_norm", [y.array], inputs, backward)[0]

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """A module with a `SyncBatchNorm` in place of each `BatchNorm1d`, `2d` and `3d` in it, in place."""
        result = module
        if isinstance(module, _BatchNorm) and not isinstance(module, cls):
            weight = module.weight if module.weight is not None else module.running_mean
            result = cls(module.num_features, module.eps, module.momentum, module.affine,
                         module.track_running_stats, process_group, bias=module.bias is not None,
                         dtype="float32" if weight is None else weight.dtype)
            result.training = module.training
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                setattr(result, name, getattr(module, name))
        for name, child in module.named_children():
            setattr(result, name, cls.convert_sync_batchnorm(child, process_group))
        return result


def _numbers(x: Tensor) -> list[float]:
    """Count, means and sums of squared deviations of a part."""
    axes = [axis for axis in range(x.ndim) if axis != 1]
    mean = x.mean(dim=axes, keepdim=True)
    deviations = ((x - mean) * (x - mean)).sum(dim=axes)
    return [x.numel() // x.shape[1], *mean.reshape(-1).tolist(), *deviations.tolist()]


def _merged(of_parts: Sequence[Sequence[float]]) -> Moments:
    channels = len(of_parts[0]) // 2
    moments = [(numbers[0], list(numbers[1:1 + channels]), list(numbers[1 + channels:]))
               for numbers in of_parts]
    return combine(dict(zip(_leaves(of_parts), moments)), len(of_parts), _both)


def _leaves(of_parts: Sequence) -> list[Node]:
    return [(0, part) for part in range(len(of_parts))]


def _both(left: Moments, right: Moments) -> Moments:
    """The moments of two parts together (Chan, Golub and LeVeque 1979)."""
    (n, a, p), (m, b, q) = left, right
    if not n or not m:
        return left if n else right
    share = m / (n + m)
    return (n + m, [x + (y - x) * share for x, y in zip(a, b)],
            [u + v + (y - x) ** 2 * n * share for u, v, x, y in zip(p, q, a, b)])


def _added(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a + b for a, b in zip(left, right)]


def _row(values: list[float], like: Tensor) -> Tensor:
    """Numbers for each channel as a Tensor beside another one, in its dtype."""
    array = like.array
    with backends.on(array):
        return Tensor(backends.namespace_of(array).asarray(values, dtype=array.dtype))
