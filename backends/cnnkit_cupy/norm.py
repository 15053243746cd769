"""Batch normalisation on a CUDA device, alone or with an addend and ReLU behind it. See `cnnkit.ops.norm`.

Sums over the pixels (all n, h, w) are made slice by slice; the block that is the last of its channels' adds
up all slices, in their order. The number of slices depends on the shape only. Few pixels are one slice: then
one launch does all. Weight, bias and running statistics have the dtype of the images, or are float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.backends import Call, decline, dtype_name
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.launcher import Kernel, SteadyLaunch, declare, planned
from cnnkit_cupy.parameters import In, Out, Struct, contiguous, strides
from cnnkit_cupy.recording import current
from cnnkit_cupy.types import TYPES, lanes_of, per_access

Array = Any
THREADS, BLOCKS = 256, 1024  # as many blocks as fill any device several times
WHOLE = 2048  # pixels of which a block has all: one launch takes less time than two

BY, NORM, COUNTERS = Struct("Strides"), Struct("Norm"), Out("uint32", optional=True)


def _instances(dtype: str, parameters: str, lanes: int) -> list[Kernel]:
    """The kernels for images of `dtype`, with weight, bias and statistics of `parameters`."""
    read, sums, slices = In("float32"), Out("float32"), Out("float32", optional=True)
    given, made = In(parameters, optional=True), Out(parameters, optional=True)
    aligned = 16 if lanes > 1 else 0
    image, maybe_image = (In(dtype, strided=True, optional=o, aligned=aligned) for o in (False, True))
    result, maybe_result = (Out(dtype, channels_last=True, optional=o) for o in (False, True))
    instance, shared = _instance(dtype, parameters, lanes), 1024 * lanes + 4
    return [Kernel("norm", f"batch_norm_moments{instance}",
                   (image, given, given, maybe_image, given, given, slices, slices, sums, sums, made, made,
                    maybe_result, COUNTERS, BY, BY, NORM), shared=shared),
            Kernel("norm", f"batch_norm{instance}",
                   (image, given, given, maybe_image, read, read, result, BY, BY, NORM)),
            Kernel("norm", f"batch_norm_sums{instance}",
                   (image, image, maybe_image, given, read, read, slices, slices, sums, sums, made, made,
                    maybe_result, maybe_result, COUNTERS, BY, BY, NORM), shared=shared),
            Kernel("norm", f"batch_norm_backward{instance}",
                   (image, image, maybe_image, given, read, read, read, read, result, maybe_result, BY, BY,
                    NORM))]


def _instance(dtype: str, parameters: str, lanes: int) -> str:
    """The template's arguments."""
    return f"<{TYPES[dtype]}, {lanes}{'' if parameters == dtype else f', {TYPES[parameters]}'}>"


for _dtype, _cuda_type in TYPES.items():
    declare(Kernel("norm", f"batch_norm_running<{_cuda_type}>",
                   (In(_dtype), In(_dtype), Out("float32"), Out("float32"), NORM)),
            ops=("batch_norm", "relu"))
    for _parameters in dict.fromkeys((_dtype, "float32")):
        for _channels in (1, per_access(_dtype)):
            declare(*_instances(_dtype, _parameters, _channels), ops=("batch_norm", "relu"))


class Layout:
    """How blocks share the pixels and channels of arrays of one shape, `lanes` channels a thread."""

    def __init__(self, shape: Sequence[int], lanes: int):
        pixels, threads = shape[0] * shape[2] * shape[3], -(-shape[1] // lanes)
        self.lanes, self.side = lanes, min(32, 1 << (threads - 1).bit_length())
        if pixels <= WHOLE:  # one slice, and as few channels a block as a sector has
            self.side = min(self.side, max(2, 8 // lanes))
            self.columns, self.pixels, self.slices = -(-threads // self.side), pixels, 1
            return
        self.columns = -(-threads // self.side)
        least = 4 * THREADS // self.side  # four pixels a thread
        self.pixels = max(least, -(-pixels // max(1, BLOCKS // self.columns)))
        self.slices = -(-pixels // self.pixels)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Slices times channels."""
        return self.slices, self.columns, 1

    def fields(self) -> dict[str, int]:
        """The fields of the structure Norm that the layout decides."""
        return {"side": self.side, "pixels": self.pixels, "slices": self.slices}


def _lanes(device: Any, *arrays: Array | None) -> int:
    """How many channels a thread takes: 16 bytes where all arrays have the channels last, without gaps."""
    given = [a for a in arrays if a is not None]
    return lanes_of(device, *given) if all(contiguous(a, channels_last=True) for a in given) else 1


def _image(array: Array) -> Array:
    """An array of 2 to 4 axes with 4."""
    return array if array.ndim == 4 else array[:, :, None] if array.ndim == 3 else array[:, :, None, None]


class Plan:
    """The launches of one call, and those of its backward for each layout of the incoming gradient."""

    def __init__(self, device: Any, arrays: Sequence[Array | None], relu: bool, training: bool,
                 momentum: float, eps: float):
        x, *parameters, addend = arrays
        running_mean = parameters[2]
        assert x is not None
        self.device, self.dtype = device, x.dtype
        self.parameters = next((p.dtype for p in parameters if p is not None), x.dtype)
        self.training, self.relu, self.moves = training, relu, training and running_mean is not None
        self.shape = N, C, H, W = tuple(x.shape)
        self.norm = {"N": N, "C": C, "H": H, "W": W, "training": int(training), "relu": int(relu),
                     "momentum": momentum, "eps": eps}
        self.layout = layout = Layout(self.shape, _lanes(device, x, addend))
        fields, instance = {**self.norm, **layout.fields()}, self.instance(layout.lanes)
        self.running = SteadyLaunch(device, f"batch_norm_running<{TYPES[dtype_name(self.parameters)]}>",
                                    (-(-C // THREADS), 1, 1), fields)
        by = strides(x), (0,) * 4 if addend is None else strides(addend)
        self.moments = SteadyLaunch(device, f"batch_norm_moments{instance}", layout.grid, *by, fields)
        self.normalise = SteadyLaunch(device, f"batch_norm{instance}", layout.grid, *by, fields)

    def instance(self, lanes: int) -> str:
        """The arguments of the kernels' templates."""
        return _instance(dtype_name(self.dtype), dtype_name(self.parameters), lanes)

    def between(self, layout: Layout, like: Array) -> tuple[Array | None, ...]:
        """Two sums of each slice, and what counts the slices that are done; nothing where there is one."""
        if layout.slices == 1:
            return None, None, None
        empty, shape = self.device.empty, (layout.slices, self.shape[1])
        return (empty(shape, "float32", like), empty(shape, "float32", like),
                self.device.counters(layout.columns, like))

    def run(self, x: Array, weight: Array | None, bias: Array | None, running_mean: Array | None,
            running_var: Array | None, addend: Array | None) -> tuple[Array, ...]:
        """The result, the new running statistics (or None), and what the backward needs of the moments."""
        empty, C = self.device.empty, self.shape[1]
        # of the mean: centers, and what is beyond
        mean, rstd = empty((2, C), "float32", x), empty((C,), "float32", x)
        y, new_mean, new_var = empty(self.shape, self.dtype, x, channels_last=True), None, None
        if not self.training:
            self.running(running_mean, running_var, mean, rstd)
        else:
            if self.moves:
                # a replay reads where it wrote
                new_mean, new_var = ((running_mean, running_var) if current() is not None else
                                     (empty((C,), self.parameters, x), empty((C,), self.parameters, x)))
            means, squares, counters = self.between(self.layout, x)
            self.moments(x, weight, bias, addend, running_mean, running_var, means, squares, mean, rstd,
                         new_mean, new_var, y if counters is None else None, counters)
        if not self.training or self.layout.slices > 1:
            self.normalise(x, weight, bias, addend, mean, rstd, y)
        return y, new_mean, new_var, mean, rstd

    def gradients(self, x: Array, dy: Array, relu_output: Array | None, weight: Array | None, mean: Array,
                  rstd: Array, needs: tuple[bool, ...]) -> tuple:
        """The gradients of x, weight, bias and addend that are needed."""
        empty, C = self.device.empty, self.shape[1]
        layout, sum_up, spread = _backward(self.device, (x, dy), self, needs)
        total, along = empty((C,), "float32", dy), empty((C,), "float32", dy)
        dweight = empty((C,), self.parameters, dy) if needs[1] else None
        dbias = empty((C,), self.parameters, dy) if needs[2] else None
        made = [None, None]  # dx, and the addend's gradient where it is not dy
        if spreads := needs[0] or (needs[3] and self.relu):
            made = [empty(self.shape, self.dtype, dy, channels_last=True) if needed else None
                    for needed in (True, needs[3] and self.relu)]
        if (self.training and needs[0]) or needs[1] or needs[2]:
            totals, alongs, counters = self.between(layout, dy)
            at_once = made if counters is None else (None, None)
            spreads = spreads and counters is not None
            sum_up(x, dy, relu_output, weight, mean, rstd, totals, alongs, total, along, dweight, dbias,
                   *at_once, counters)
        if spreads:
            spread(x, dy, relu_output, weight, mean, rstd, total, along, *made)
        daddend = None if not needs[3] else made[1] if self.relu else dy
        return made[0] if needs[0] else None, dweight, dbias, daddend


@planned
def _forward(device: Any, arrays: Sequence[Array | None], *settings: Any) -> Plan | str:
    """The plan for arrays of 2 to 4 axes, or why they are not served."""
    x, *others, addend = arrays
    if reason := _unserved(x, others, addend):
        return reason
    return Plan(device, (_image(x), *others, None if addend is None else _image(addend)), *settings)


@planned
def _backward(device: Any, arrays: Sequence[Array], plan: Plan, needs: tuple[bool, ...]) -> tuple:
    """The layout, and the launches: sums (and dx, where there is one slice), and dx."""
    x, dy = arrays
    layout, by = Layout(plan.shape, _lanes(device, x, dy)), (strides(x), strides(dy))
    fields, instance = {**plan.norm, **layout.fields()}, plan.instance(layout.lanes)
    return (layout, SteadyLaunch(device, f"batch_norm_sums{instance}", layout.grid, *by, fields),
            SteadyLaunch(device, f"batch_norm_backward{instance}", layout.grid, *by, fields))


def _unserved(x: Array, others: Sequence[Array | None], addend: Array | None) -> str:
    """Why these arrays are not served; empty where they are."""
    shape = tuple(x.shape)
    if (dtype_name(x.dtype) not in TYPES or x.ndim not in (2, 3, 4) or x.size == 0
            or x.size // shape[1] >= 2**30 or shape[1] >= 2**21):
        return f"{dtype_name(x.dtype)} of shape {shape}"
    parameters = [a for a in others if a is not None]
    dtypes = {dtype_name(a.dtype) for a in parameters}
    if len(dtypes) > 1 or not dtypes <= {dtype_name(x.dtype), "float32"}:
        return f"weight, bias or statistics of {' and '.join(sorted(dtypes))} beside {dtype_name(x.dtype)}"
    if not all(map(contiguous, parameters)):
        return "weight, bias or statistics with gaps in memory"
    if addend is not None and (addend.dtype != x.dtype or tuple(addend.shape) != shape):
        return "an addend of another dtype or shape"
    return ""


def batch_norm(x: Array, weight: Array | None, bias: Array | None,
               running_mean: Array | None, running_var: Array | None, *,
               needs: Sequence[bool], training: bool, momentum: float, eps: float) -> Any:
    """See `cnnkit.ops.norm.batch_norm`; it serves arrays of 2 to 4 axes.

    Weight, bias and running statistics have the dtype of `x`, or are float32.
    """
    return _norm((x, weight, bias, running_mean, running_var, None), needs, False, training, momentum, eps)


def batch_norm_chain(x: Array, *arrays: Any, needs: Sequence[bool], calls: Sequence[Call]) -> Any:
    """``batch_norm``, then perhaps ``add`` (the end of a residual block), then perhaps ReLU."""
    norm, *following = calls
    names = [call.op.name for call in following]
    if norm.op.name != "batch_norm" or names not in (["add"], ["add", "relu"], ["relu"]):
        return decline("it serves batch_norm with add and relu")
    addend = arrays[4] if names[0] == "add" else None
    if names[0] == "add" and type(addend) is not type(x):
        return decline("an addend that is a number")
    return _norm((x, *arrays[:4], addend), needs, names[-1] == "relu", **norm.attrs)


def _norm(arrays: tuple[Array | None, ...], needs: Sequence[bool], relu: bool, training: bool,
          momentum: float, eps: float) -> Any:
    x, *others, addend = arrays
    assert x is not None
    plan = _forward(cuda_of(x), arrays, relu, training, momentum, eps)
    if isinstance(plan, str):
        return decline(plan)
    shape, fewer = tuple(x.shape), (slice(None), slice(None), 0, 0)[:6 - x.ndim]
    if len(shape) < 4:
        x, addend = _image(x), None if addend is None else _image(addend)

    def squeezed(array: Array) -> Array:
        return array if array is None or len(shape) == 4 else array[fewer]
    y, new_mean, new_var, mean, rstd = plan.run(x, *others, addend)
    weight, relu_output, has_addend = others[0], y if relu else None, addend is not None
    needed = *needs[:3], has_addend and needs[5]

    def backward(dy: Array, *_: None) -> tuple:
        dx, dweight, dbias, daddend = plan.gradients(x, _image(dy), relu_output, weight, mean, rstd, needed)
        return (squeezed(dx), dweight, dbias, None, None, *([squeezed(daddend)] if has_addend else []))
    return (squeezed(y), new_mean, new_var), backward if any(needs) else None
