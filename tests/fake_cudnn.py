"""A ``cudnn`` (nvidia-cudnn-frontend) made of NumPy: strict about names, layouts and order, and as lazy."""

from __future__ import annotations

import types
from types import SimpleNamespace
from typing import Any

from cnnkit import backends
from cnnkit.ops import OPS

CALLS: list[tuple] = []
REFUSED: set[str] = set()
NAMES = {"conv_fprop": ("image", "weight"), "conv_dgrad": ("loss", "filter"), "conv_wgrad": ("image", "loss")}
DTYPES = {"FLOAT": "float32", "HALF": "float16", "BFLOAT16": "bfloat16"}


class cudnnGraphNotSupportedError(RuntimeError):
    pass


class Tensor:
    def __init__(self, dim=None, stride=None, data_type=None):
        self.dim, self.stride, self.data_type, self.output = dim, stride, data_type, False

    def set_output(self, value):
        self.output = value
        return self

    def set_data_type(self, value):
        self.data_type = value
        return self

    def set_dim(self, value):
        self.dim = value
        return self

    def set_stride(self, value):
        self.stride = value
        return self

    def check(self, array: Any) -> None:
        assert list(array.shape) == self.dim
        assert [step // array.dtype.itemsize for step in array.strides] == self.stride
        assert str(array.dtype) == DTYPES[self.data_type]


class pygraph:
    def __init__(self, *, io_data_type, intermediate_data_type, compute_data_type, handle):
        assert intermediate_data_type == compute_data_type == "FLOAT"
        self.io, self.built = io_data_type, False

    def tensor(self, *, name, dim, stride, data_type):
        assert data_type == self.io
        return Tensor(dim, stride, data_type)

    def __getattr__(self, kind):
        def operation(*, pre_padding, post_padding, stride, dilation, **named):
            assert tuple(named) == NAMES[kind]
            self.kind, self.named, self.result = kind, named, Tensor()
            self.window = {"padding": tuple(zip(pre_padding, post_padding)), "stride": tuple(stride),
                           "dilation": tuple(dilation)}
            return self.result
        return operation

    def build(self, heuristics):
        assert heuristics == ["A", "FALLBACK"]
        if self.kind in REFUSED:
            raise cudnnGraphNotSupportedError("no engine")
        assert self.result.output
        self.built = True
        CALLS.append(("build", self.kind))

    def get_workspace_size(self):
        return 64

    def execute(self, data, workspace, *, handle):
        assert self.built
        assert workspace.nbytes >= 64
        for tensor, array in data.items():
            tensor.check(array)
        CALLS.append(("execute", self.kind, handle.stream))
        first, second = (data[tensor] for tensor in self.named.values())
        result, size = data[self.result], self.result.dim
        groups = (first.shape[1] // second.shape[1] if self.kind == "conv_fprop" else
                  size[1] // second.shape[1] if self.kind == "conv_dgrad" else first.shape[1] // size[1])
        window = {**self.window, "groups": groups}
        name, arrays, more = {
            "conv_fprop": ("conv", (first, second, None), {}),
            "conv_dgrad": ("conv_input", (first, second), {"size": tuple(size[2:])}),
            "conv_wgrad": ("conv_filters", (first, second), {"kernel_size": tuple(size[2:])})}[self.kind]
        body = OPS[name].body(backends.get("cupy"))
        result[...] = body(*arrays, needs=(False,) * len(arrays), **more, **window)[0]


def make() -> types.ModuleType:
    """The module to put into `sys.modules`."""
    module = types.ModuleType("cudnn")
    module.__spec__ = SimpleNamespace(name="cudnn")  # type: ignore[assignment]
    module.data_type = SimpleNamespace(**{name: name for name in DTYPES})
    module.heur_mode = SimpleNamespace(A="A", FALLBACK="FALLBACK")
    module.pygraph, module.cudnnGraphNotSupportedError = pygraph, cudnnGraphNotSupportedError
    module.backend_version = lambda: 91000
    module.create_handle = lambda: SimpleNamespace(stream=None)
    module.set_stream = lambda *, handle, stream: setattr(handle, "stream", stream)
    return module
