"""C calls of several parts of a batch as one: those that compute each image by itself.

One call packs and transforms the filters once, where the parts' own calls do it each. An image's bits do not
depend on how many there are (`tests/backends/cnnkit_cpu/test_together.py`).
"""

from __future__ import annotations

import dataclasses
import struct

from cnnkit.backends.native import NativeCall, Together
from cnnkit_cpu import library
from cnnkit_cpu.memory import FLOAT

# each function's arguments for images, and for their results
FUNCTIONS = {"winograd_forward": ("x", "y"), "winograd_input_gradient": ("dy", "dx"),
             "product_forward": ("x", "y"), "product_input_gradient": ("dy", "dx")}


def together(call: NativeCall, count: int) -> Together | None:
    """See `cnnkit.backends.native.NativeTogether`."""
    images = FUNCTIONS.get(call.function)
    if images is None:
        return None
    values = {argument.name: argument.value for argument in call.arguments}
    if values.get("addend") or values.get("filters"):
        return None
    N = values["N"] * count
    C, K, _, _, H, W, P, Q, *_ = struct.unpack(f"{len(values['shape']) // 4}i", values["shape"])
    maps = {"x": C * H * W, "dx": C * H * W, "y": K * P * Q, "dy": K * P * Q}
    side = (values["side"],) if "side" in values else ()
    room = getattr(library.active, f"{call.function}_room")(values["shape"], values["threads"], *side, N)
    arguments = tuple(dataclasses.replace(argument, value=N) if argument.name == "N" else argument
                      for argument in call.arguments)
    return Together(NativeCall(call.function, arguments, call.result),
                    {name: values["N"] * maps[name] * FLOAT.itemsize for name in images},
                    "room", room * FLOAT.itemsize)
