"""The dtypes that kernels store, and their names in CUDA. Kernels compute all of them in float."""

from typing import Any

from cnnkit.backends import dtype_name

TYPES = {"float32": "float", "float16": "__half", "bfloat16": "__nv_bfloat16"}


def other_dtype(array: Any) -> str:
    """Why kernels decline an array of another dtype than theirs."""
    return f"{dtype_name(array.dtype)}; it serves {', '.join(TYPES)}"


def per_access(dtype: str) -> int:
    """How many elements the widest access reads or writes: 16 bytes."""
    return 4 if dtype == "float32" else 8


def lanes_of(device: Any, *arrays: Any) -> int:
    """How many channels of these arrays (N, C, H, W) a thread may take.

    `per_access` if they lie side by side and start at multiples of 16 bytes for every pixel, else 1.
    """
    lanes = 16 // arrays[0].dtype.itemsize
    for array in arrays:
        if array.shape[1] % lanes or array.strides[1] != array.dtype.itemsize or device.address(array) % 16:
            return 1
        if any(array.strides[axis] % 16 for axis in (0, 2, 3) if array.shape[axis] > 1):
            return 1
    return lanes
