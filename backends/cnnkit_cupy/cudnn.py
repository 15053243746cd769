"""cuDNN's convolutions on CuPy's arrays, through ``nvidia-cudnn-frontend``: the peer of the table ``cupy``.

No default: it serves where it is asked for by name, ``cnnkit.use("cudnn")``. A graph of one operation is
built for each set of layouts and kept. What cuDNN does not support is declined, with its words.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from cnnkit.backends import KernelTable, backend_of, decline, dtype_name
from cnnkit.backends.table import Kernels
from cnnkit.ops.conv import conv_filters_backward, conv_input_backward
from cnnkit.ops.rank import by_rank_2
from cnnkit.shapes import conv_output_shape
from cnnkit_cupy import backend
from cnnkit_cupy.contracts import cuda_of

__all__ = ["table"]

Array = Any
TYPES = {"float32": "FLOAT", "float16": "HALF", "bfloat16": "BFLOAT16"}
WHERE = "pip install nvidia-cudnn-frontend nvidia-cudnn-cu13"


@functools.cache
def available() -> bool | str:
    """``True``, or why cuDNN cannot be used here."""
    if (reason := backend.available()) is not True:
        return reason
    if importlib.util.find_spec("cudnn") is None:
        return f"nvidia-cudnn-frontend is not installed ({WHERE})"
    try:
        import cudnn

        cudnn.backend_version()
    except Exception as error:  # the library may lack, or not fit the driver, in any way
        return f"cuDNN could not be loaded: {error} ({WHERE})"
    return True


class Convolution:
    """A graph of one convolution, or of one gradient of it, for arrays of these layouts.

    Parameters
    ----------
    kind : {"conv_fprop", "conv_dgrad", "conv_wgrad"}
        The method of cuDNN's graph.
    names : (str, str)
        What the method calls the two arrays.
    layouts : three tuples
        Shape and strides, in elements, of the two arrays and of the result.
    dtype : str
    window : mapping
        Stride, padding, dilation.
    handle : cudnn.Handle
    """

    def __init__(self, kind: str, names: Sequence[str], layouts: Sequence[tuple], dtype: str,
                 window: Mapping[str, Any], handle: Any):
        import cudnn

        data = getattr(cudnn.data_type, TYPES[dtype])
        self.graph = cudnn.pygraph(io_data_type=data, intermediate_data_type=cudnn.data_type.FLOAT,
                                   compute_data_type=cudnn.data_type.FLOAT, handle=handle)
        self.inputs = [self.graph.tensor(name=name, dim=list(shape), stride=list(by), data_type=data)
                       for name, (shape, by) in zip(names, layouts)]
        (top, bottom), (left, right) = window["padding"]
        self.result = getattr(self.graph, kind)(
            **dict(zip(names, self.inputs)), pre_padding=[top, left], post_padding=[bottom, right],
            stride=list(window["stride"]), dilation=list(window["dilation"]))
        shape, by = layouts[2]
        self.result.set_output(True).set_data_type(data).set_dim(list(shape)).set_stride(list(by))
        self.graph.build([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
        self.workspace = self.graph.get_workspace_size()

    def __call__(self, arrays: Sequence[Array], result: Array, handle: Any) -> None:
        room = cuda_of(result).empty((max(1, self.workspace),), "uint8", result)
        self.graph.execute({**dict(zip(self.inputs, arrays)), self.result: result}, room, handle=handle)


_handles: dict[tuple[int, int], Any] = {}       # by device and stream
_graphs: dict[tuple, Convolution | str] = {}     # by layouts; where cuDNN refuses, its words
MOST = 1024                                      # of them


def _handle(like: Array) -> Any:
    """cuDNN's handle for the current stream of the device of an array."""
    import cudnn
    import cupy

    stream = cupy.cuda.get_current_stream().ptr
    key = like.data.device_id, stream
    if key not in _handles:
        _handles[key] = cudnn.create_handle()
        cudnn.set_stream(handle=_handles[key], stream=stream)
    return _handles[key]


def _layout(array: Array) -> tuple:
    return tuple(array.shape), tuple(step // array.dtype.itemsize for step in array.strides)


def _run(kind: str, names: Sequence[str], arrays: Sequence[Array], shape: tuple[int, ...],
         conv: Mapping[str, Any]) -> Any:
    """The result of a graph, its channels last in memory, or cuDNN's words where it refuses."""
    first = arrays[0]
    result = cuda_of(first).empty(shape, first.dtype, first, channels_last=True)
    layouts = [*map(_layout, arrays), _layout(result)]
    window = {name: conv[name] for name in ("stride", "padding", "dilation")}
    handle = _handle(first)
    key = kind, first.dtype, *layouts, *window.values(), id(handle)
    if key not in _graphs:
        import cudnn

        if len(_graphs) >= MOST:
            _graphs.clear()
        try:
            _graphs[key] = Convolution(kind, names, layouts, dtype_name(first.dtype), window, handle)
        except cudnn.cudnnGraphNotSupportedError as error:
            _graphs[key] = f"cuDNN does not support it: {error}"
    graph = _graphs[key]
    if isinstance(graph, str):
        return graph
    graph(arrays, result, handle)
    return result


def _turned(array: Array) -> Array:
    """The array with its channels last in memory, as cuDNN's tensor cores want all of them."""
    turned = cuda_of(array).empty(tuple(array.shape), array.dtype, array, channels_last=True)
    if turned.strides == array.strides:
        return array
    turned[...] = array
    return turned


def _unserved(*arrays: Array) -> str | None:
    if (dtype := dtype_name(arrays[0].dtype)) not in TYPES:
        return f"{dtype}; cuDNN's table serves {', '.join(TYPES)}"
    return "an empty array" if any(0 in array.shape for array in arrays) else None


def conv2d(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool], **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv`."""
    if x.ndim != 4:
        return by_rank_2(conv2d, (x, weight, bias), needs, conv)
    if reason := _unserved(x, weight):
        return decline(reason)
    settings = (conv[name] for name in ("stride", "padding", "dilation", "groups"))
    size = conv_output_shape(tuple(x.shape), tuple(weight.shape), *settings)
    x, weight = _turned(x), _turned(weight)
    y = _run("conv_fprop", ("image", "weight"), (x, weight), size, conv)
    if isinstance(y, str):
        return decline(y)
    if bias is not None:
        y += bias[:, None, None]
    if not any(needs):
        return y, None

    def backward(dy: Array) -> tuple:
        dy = _turned(dy)
        xp = backend_of(dy).namespace
        dx = _gradient("conv_dgrad", ("loss", "filter"), (dy, weight), x.shape, conv) if needs[0] else None
        dw = _gradient("conv_wgrad", ("image", "loss"), (x, dy), weight.shape, conv) if needs[1] else None
        db = xp.astype(xp.sum(dy, axis=(0, 2, 3), dtype=xp.float32), dy.dtype) if needs[2] else None
        return dx, dw, db
    return y, backward


def conv2d_input(dy: Array, weight: Array, *, needs: Sequence[bool], size: tuple, **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv_input`."""
    if dy.ndim != 4:
        return by_rank_2(conv2d_input, (dy, weight), needs, {"size": size, **conv})
    if reason := _unserved(dy, weight):
        return decline(reason)
    shape = dy.shape[0], weight.shape[1] * conv["groups"], *size
    dx = _run("conv_dgrad", ("loss", "filter"), (_turned(dy), _turned(weight)), shape, conv)
    if isinstance(dx, str):
        return decline(dx)
    return dx, conv_input_backward(dy, weight, needs, conv) if any(needs) else None


def conv2d_filters(x: Array, dy: Array, *, needs: Sequence[bool], kernel_size: tuple, **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv_filters`."""
    if x.ndim != 4:
        return by_rank_2(conv2d_filters, (x, dy), needs, {"kernel_size": kernel_size, **conv})
    if reason := _unserved(x, dy):
        return decline(reason)
    shape = dy.shape[1], x.shape[1] // conv["groups"], *kernel_size
    dw = _run("conv_wgrad", ("image", "loss"), (_turned(x), _turned(dy)), shape, conv)
    if isinstance(dw, str):
        return decline(dw)
    return dw, conv_filters_backward(x, dy, needs, conv) if any(needs) else None


def _gradient(kind: str, names: Sequence[str], arrays: Sequence[Array], shape: Sequence[int],
              conv: Mapping[str, Any]) -> Array:
    """A gradient of a convolution whose forward cuDNN has served."""
    found = _run(kind, names, arrays, tuple(shape), conv)
    if isinstance(found, str):
        raise RuntimeError(f"{found}; it has computed the output: cnnkit.use('cupy') computes both")
    return found


KERNELS: Kernels = {"conv": conv2d, "conv_filters": conv2d_filters, "conv_input": conv2d_input}
table = KernelTable("cudnn", "cupy", KERNELS, priority=-1, available=available, by_name=True)
