"""C calls that take one image after the other, so that a few images may go through several of them at a time.

An image's bits do not depend on how many there are (`tests/backends/cnnkit_cpu/test_slicing.py`).
"""

from __future__ import annotations

import struct
from typing import Any

from cnnkit.backends.native import NativeCall, PerImage
from cnnkit_cpu import library
from cnnkit_cpu.memory import FLOAT

CACHE = 5 << 19  # bytes for each thread: what it reads and writes of images should stay in its caches
CORRELATIONS = ("depthwise_forward", "product_forward", "winograd_forward")


def per_image(call: NativeCall) -> PerImage | None:
    """See `cnnkit.backends.native.NativeSlices`."""
    values = {argument.name: argument.value for argument in call.arguments}
    if call.function in CORRELATIONS:
        C, K, _, _, H, W, P, Q, *_ = struct.unpack(f"{len(values['shape']) // 4}i", values["shape"])
        if call.function == "depthwise_forward":
            K = C
        floats = {"x": C * H * W, "y": K * P * Q, "addend": K * P * Q if values["addend"] else 0}
    elif call.function == "max_pool_channels_last_forward" and not values["argmax"]:
        C, H, W, P, Q, *_ = struct.unpack(f"{len(values['window']) // 4}i", values["window"])
        floats = {"x": C * H * W, "y": C * P * Q}
    elif call.function == "to_channels_last" and not values["y"]:
        pixels = values["C"] * values["H"] * values["width"]
        floats = {"x": struct.unpack("4l", values["strides"])[0], "to": pixels}
    else:
        return None
    images, nbytes = values["N"], {name: count * FLOAT.itemsize for name, count in floats.items() if count}
    together = CACHE * values["threads"] // max(sum(nbytes.values()), 1)
    if not 1 <= together < images or (call.function in CORRELATIONS and not _is_room(call, values, together)):
        together = images
    return PerImage("N", images, nbytes, together)


def _is_room(call: NativeCall, values: dict[str, Any], images: int) -> bool:
    """Whether the call's scratch memory, made for all images, is enough for so many."""
    if call.function == "depthwise_forward":
        return True
    room = getattr(library.active, f"{call.function}_room")
    sides = (values["side"],) if "side" in values else ()
    return bool(room(values["shape"], values["threads"], *sides, images)
                <= room(values["shape"], values["threads"], *sides, values["N"]))
