"""Padding, whose amounts were attributes before opset 11."""

from __future__ import annotations

from cnnkit import functional as F
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.declaration import Ints, operator
from cnnkit.onnx.importer.host import integers, number, room

MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


@operator("Pad", until=10)
def pad_by_attributes(x: Tensor, *, pads: Ints, mode: str = "constant", value: float = 0.0) -> Tensor:
    return _padded(x, pads, tuple(range(x.ndim)), mode, value)


@operator("Pad", since=11, settings="pads value axes", foldable=True)
def pad(x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None, *,
        mode: str = "constant") -> Tensor:
    chosen = integers(axes)
    return _padded(x, integers(pads) or (), tuple(range(x.ndim)) if chosen is None else chosen, mode,
                   0 if value is None else number(value))


def _padded(x: Tensor, pads: Ints, axes: Ints, mode: str, value: float) -> Tensor:
    """Amounts before each axis, then those after; negative ones take elements away."""
    if mode not in MODES or len(pads) != 2 * len(axes) or any(not -x.ndim <= a < x.ndim for a in axes):
        raise ValueError(f"pads={pads}, axes={axes}, {mode=} do not fit the shape {x.shape}; the modes are "
                         f"{', '.join(MODES)}")
    amounts = [(0, 0)] * x.ndim
    for axis, before, after in zip(axes, pads, pads[len(axes):]):
        amounts[axis] = before, after
    room(tuple(max(n + sum(pair), 0) for n, pair in zip(x.shape, amounts)))
    flat = [n for pair in reversed(amounts) for n in pair]
    if mode == "constant":
        return F.pad(x, flat, value=value)
    return F.pad(x, flat, MODES[mode])
