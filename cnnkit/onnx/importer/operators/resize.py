"""Resize, and Upsample before it: images of another size, one axis at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cnnkit.autograd.functions as T
from cnnkit.autograd import Tensor, apply
from cnnkit.onnx.importer.declaration import Floats, Ints, operator
from cnnkit.onnx.importer.host import host, integers, numbers, room
from cnnkit.onnx.importer.operators.places import Along, is_identity, nearest, weights
from cnnkit.ops import resampling

POLICIES = ("stretch", "not_larger", "not_smaller")


@dataclass(frozen=True)
class _Settings:
    """What `Resize` is told beside the sizes."""

    mode: str = "nearest"
    transformation: str = "asymmetric"
    nearest_mode: str = "floor"
    cubic_coeff_a: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False
    extrapolation_value: float = 0.0


@operator("Upsample", until=8)
def upsample_by_attribute(x: Tensor, *, scales: Floats, mode: str = "nearest") -> Tensor:
    return _resized(x, scales, None, None, _Settings(mode))


@operator("Upsample", since=9, settings="scales")
def upsample(x: Tensor, scales: Tensor, *, mode: str = "nearest") -> Tensor:
    return _resized(x, numbers(scales), None, None, _Settings(mode))


@operator("Resize", since=10, until=10, settings="scales")
def resize_10(x: Tensor, scales: Tensor, *, mode: str = "nearest") -> Tensor:
    return _resized(x, numbers(scales), None, None, _Settings(mode))


@operator("Resize", since=11, settings="roi scales sizes")
def resize(x: Tensor, roi: Tensor | None = None, scales: Tensor | None = None, sizes: Tensor | None = None, *,
           antialias: int = 0, axes: Ints | None = None, coordinate_transformation_mode: str = "half_pixel",
           cubic_coeff_a: float = -0.75, exclude_outside: int = 0, extrapolation_value: float = 0.0,
           keep_aspect_ratio_policy: str = "stretch", mode: str = "nearest",
           nearest_mode: str = "round_prefer_floor") -> Tensor:
    """By `scales`, or to `sizes`, of all axes or of `axes`; `roi` is the part that is cut out and resized."""
    settings = _Settings(mode, coordinate_transformation_mode, nearest_mode, cubic_coeff_a,
                         bool(exclude_outside), bool(antialias), extrapolation_value)
    chosen = tuple(range(x.ndim)) if axes is None else tuple(axis % x.ndim for axis in axes)
    factors = numbers(scales) if scales is not None and scales.numel() else None
    wanted = None if sizes is None or not sizes.numel() else integers(sizes)
    parts = numbers(roi) if roi is not None and roi.numel() else None
    if keep_aspect_ratio_policy != "stretch" and wanted is not None:
        if keep_aspect_ratio_policy not in POLICIES:
            raise ValueError(f"keep_aspect_ratio_policy is one of {', '.join(POLICIES)}; got "
                             f"{keep_aspect_ratio_policy!r}")
        pick = min if keep_aspect_ratio_policy == "not_larger" else max
        scale = pick(n / x.shape[axis] for n, axis in zip(wanted, chosen))
        return _resized(x, [scale] * len(chosen), parts, chosen, settings,
                        tuple(int(scale * x.shape[axis] + 0.5) for axis in chosen))
    return _resized(x, factors, parts, chosen, settings, wanted)


def _resized(x: Tensor, scales: list | tuple | None, roi: list | None, axes: Ints | None, settings: _Settings,
             sizes: Ints | None = None) -> Tensor:
    axes = tuple(range(x.ndim)) if axes is None else axes
    given = sizes if scales is None else scales
    if given is None or len(given) != len(axes) or (roi is not None and len(roi) != 2 * len(axes)):
        raise ValueError(f"Resize of the shape {x.shape} along the axes {axes} got scales={scales}, "
                         f"sizes={sizes} and roi={roi}: it needs scales or sizes, one for each axis")
    plan = []
    for number, axis in enumerate(axes):
        length = x.shape[axis]
        scale = scales[number] if scales is not None else sizes[number] / length if sizes and length else 1.0
        size = sizes[number] if sizes is not None else math.floor(length * scale)
        start, stop = (0.0, 1.0) if roi is None else (roi[number], roi[number + len(axes)])
        plan.append((axis, Along(length, size, float(scale), start, stop)))
    shape = list(x.shape)
    for axis, along in plan:
        shape[axis] = along.size
    room(shape)
    plan = [(axis, along) for axis, along in plan if not is_identity(along, settings.transformation)]
    for axis, along in sorted(plan, key=lambda pair: (pair[1].scale > 1, -pair[0])):  # the smaller first
        x = _along(x, axis, along, settings)
    return x


def _along(x: Tensor, axis: int, along: Along, s: _Settings) -> Tensor:
    fast = _like_pytorch(along, s)
    if fast is not None and x.is_floating_point():
        return apply(resampling.resample, x, axis=axis, size=along.size, mode=fast,
                     align_corners=s.transformation == "align_corners",
                     scale=along.scale if along.scale * along.length != along.size else None,
                     antialias=False)
    outside: tuple[int, ...] = ()
    if s.mode == "nearest":
        places, outside = nearest(along, s.transformation, s.nearest_mode)
        y = T.index_select(x, axis, host(list(places), "int64").to(x.device))
    else:
        rows, outside = weights(along, s.transformation, s.mode, s.cubic_coeff_a, s.exclude_outside,
                                s.antialias)
        exact = x if x.is_floating_point() else x.to(dtype="float32")
        matrix = host(rows, exact.dtype).to(exact.device)
        y = T.movedim(T.matmul(T.movedim(exact, axis, -1), matrix.transpose(0, 1)), -1, axis)
        y = y if x.is_floating_point() else T.round(y).to(dtype=x.dtype)
    if outside:
        mask = host([i in outside for i in range(along.size)]).to(x.device)
        y = T.where(mask.reshape((-1, *(1,) * (x.ndim - axis - 1))),
                    T.full_like(y, s.extrapolation_value), y)
    return y


def _like_pytorch(along: Along, s: _Settings) -> str | None:
    """The mode of cnnkit's own op that does the same along an axis, for which backends have kernels."""
    if s.antialias or s.exclude_outside or along.size < 2:
        return None
    if s.mode == "nearest":
        whole = along.scale.is_integer() and along.size == along.length * along.scale
        return "nearest" if whole and (s.transformation, s.nearest_mode) == ("asymmetric", "floor") else None
    if s.transformation not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        return None
    if s.transformation == "align_corners" and along.scale * along.length != along.size:
        return None
    return "linear" if s.mode == "linear" else "cubic" if s.cubic_coeff_a == -0.75 else None
