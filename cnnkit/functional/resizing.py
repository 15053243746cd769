"""Images of another size: interpolation between pixels, on Tensors."""

from __future__ import annotations

import math
import warnings
from typing import Any

import cnnkit.ops.resampling as ops
from cnnkit.autograd import Tensor, apply
from cnnkit.foreign import is_whole
from cnnkit.functional.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}
# mode -> what is done along each axis, and for how many axes
MODES: dict[str, tuple[str, tuple[int, ...]]] = {
    "nearest": ("nearest", (1, 2, 3)), "nearest-exact": ("nearest-exact", (1, 2, 3)),
    "linear": ("linear", (1,)), "bilinear": ("linear", (2,)), "trilinear": ("linear", (3,)),
    "bicubic": ("cubic", (2,)), "lanczos": ("lanczos", (2,)), "area": ("area", (1, 2, 3))}


def interpolate(input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
                align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
                antialias: bool = False) -> Tensor:
    """Images of another size.

    Parameters
    ----------
    input : Tensor, (N, C, L), (N, C, H, W) or (N, C, D, H, W)
        Signals, images or volumes.
    size : int or tuple of int, optional
        The new size, of all axes or of each.
    scale_factor : float or tuple of float, optional
        How many times larger the axes become, in place of `size`; sizes are rounded down.
    mode : str
        ``"nearest"`` takes the pixel at or below each place, ``"nearest-exact"`` the nearest; ``"linear"``,
        ``"bilinear"`` and ``"trilinear"`` interpolate along one, two and three axes, ``"bicubic"`` does so
        by cubics (Keys 1981); ``"area"`` averages; ``"lanczos"`` is for `antialias` only.
    align_corners : bool, optional
        The centers of the outermost pixels stay where they are, not their outer edges. Only where the mode
        interpolates.
    recompute_scale_factor : bool, optional
        Go by the quotient of the sizes, rounded as these are, and not by `scale_factor` itself.
    antialias : bool
        Where images become smaller, average over as many more pixels; for ``"bilinear"``, ``"bicubic"`` and
        ``"lanczos"``.

    Returns
    -------
    Tensor, of the input's batch and channels, and the new size

    Raises
    ------
    ValueError
        If both or neither of size and scale are given, or have not one number for each axis; if the mode is
        for another number of axes, or an option not for the mode.
    TypeError
        If `size` is not of integers.

    >>> import cnnkit
    >>> x = cnnkit.tensor([[[[1.0, 3.0]]]])
    >>> interpolate(x, scale_factor=2)
    tensor([[[[1., 1., 3., 3.],
              [1., 1., 3., 3.]]]])
    >>> interpolate(x, size=(1, 3), mode="bilinear", align_corners=True)
    tensor([[[[1., 2., 3.]]]])
    """
    shape = input.shape
    rank = len(shape) - 2
    kind = _checked(mode, rank, align_corners, antialias)
    sizes, scales = _sizes(shape[2:], size, scale_factor)
    if recompute_scale_factor:
        if size is not None:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size")
        scales = (None,) * rank
    if kind == "area":
        return AREA[rank](input, sizes)
    result = input
    # what becomes smaller first; then the last axis first, where look-ups are slow, while there is little
    for axis in sorted(range(2, rank + 2), key=lambda a: (sizes[a - 2] > shape[a], -a)):
        result = apply(ops.resample, result, axis=axis, size=sizes[axis - 2], mode=kind,
                       align_corners=bool(align_corners), scale=scales[axis - 2], antialias=bool(antialias))
    return result


def _checked(mode: str, rank: int, align_corners: bool | None, antialias: bool) -> str:
    """What the mode does along each axis."""
    if mode not in MODES:
        raise ValueError(f"interpolate has the modes {', '.join(MODES)}; got {mode!r}")
    kind, ranks = MODES[mode]
    if rank not in ranks:
        needed = " or ".join(f"{r + 2}D" for r in ranks)
        raise ValueError(f"Got {rank + 2}D input, but {mode} mode needs {needed} input")
    if kind in ("nearest", "nearest-exact", "area") and align_corners is not None:
        raise ValueError("align_corners option can only be set with the interpolating modes: linear | "
                         f"bilinear | bicubic | trilinear; got mode={mode!r}")
    if antialias and mode not in ("bilinear", "bicubic", "lanczos"):
        raise ValueError("Anti-alias option is restricted to bilinear, bicubic and lanczos modes and "
                         f"requires a 4-D tensor as input; got mode={mode!r}")
    return kind


def _sizes(old: tuple[int, ...], size: Any, scale_factor: Any) -> tuple[tuple[int, ...], tuple]:
    """The new size and the scale along each axis, where it was given."""
    if (size is None) == (scale_factor is None):
        raise ValueError("either size or scale_factor should be defined" if size is None
                         else "only one of size or scale_factor should be defined")
    name, value = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * len(old)
    if len(values) != len(old):
        raise ValueError(f"Input and {name} must have the same number of spatial dimensions, but got input "
                         f"with spatial dimensions of {list(old)} and {name}={value!r}")
    if size is None:
        return tuple(math.floor(n * scale) for n, scale in zip(old, values)), tuple(map(float, values))
    if not all(map(is_whole, values)):
        raise TypeError(f"size must be an integer, or one for each axis; got {size!r}")
    return tuple(map(int, values)), (None,) * len(old)


def upsample(input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
             align_corners: bool | None = None) -> Tensor:
    """`interpolate` under its old name.

    >>> import cnnkit, warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     upsample(cnnkit.tensor([[[1.0, 3.0]]]), scale_factor=2)
    tensor([[[1., 1., 3., 3.]]])
    """
    _warn("upsample", "interpolate")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with ``mode="nearest"``, under its old name.

    >>> import cnnkit, warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     upsample_nearest(cnnkit.tensor([[[1.0, 3.0]]]), 4)
    tensor([[[1., 1., 3., 3.]]])
    """
    _warn("upsample_nearest", "interpolate")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with ``mode="bilinear", align_corners=True``, under its old name.

    >>> import cnnkit, warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     upsample_bilinear(cnnkit.tensor([[[[1.0, 3.0]]]]), (1, 3))
    tensor([[[[1., 2., 3.]]]])
    """
    _warn("upsample_bilinear", 'interpolate(mode="bilinear", align_corners=True)')
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _warn(old: str, new: str) -> None:
    warnings.warn(f"functional.{old} is deprecated, as in PyTorch; use functional.{new}", stacklevel=3)
