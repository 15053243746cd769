"""Images at places between pixels."""

from __future__ import annotations

from cnnkit import functional as F
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.declaration import operator
from cnnkit.onnx.importer.host import integers

MODES = {"linear": "bilinear", "cubic": "bicubic"}  # before opset 20 they had PyTorch's names


@operator("GridSample", since=16)
def grid_sample(x: Tensor, grid: Tensor, *, align_corners: int = 0, mode: str = "linear",
                padding_mode: str = "zeros") -> Tensor:
    return F.grid_sample(x, grid, MODES.get(mode, mode), padding_mode, bool(align_corners))


@operator("AffineGrid", since=20, settings="size")
def affine_grid(theta: Tensor, size: Tensor, *, align_corners: int = 0) -> Tensor:
    return F.affine_grid(theta, integers(size) or (), bool(align_corners))
