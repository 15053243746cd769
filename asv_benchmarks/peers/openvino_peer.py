"""OpenVINO as a contender, for inference: it runs the file that cnnkit exports of its own network."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import openvino

from peers.exported import check, exported

__all__ = ["make"]


def make(case: dict[str, Any]) -> Callable[[], Any] | None:
    """A callable that computes the case's scores once; ``None`` where something else is timed."""
    if case["kind"] != "infer":
        return None
    file, x, wanted = exported(case)
    core = openvino.Core()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32",
                "INFERENCE_NUM_THREADS": os.environ["OMP_NUM_THREADS"], "NUM_STREAMS": "1"}
    request = core.compile_model(core.read_model(file, b""), "CPU", settings).create_infer_request()
    request.infer([x])
    check("OpenVINO", case, request.get_output_tensor().data, wanted)
    return lambda: request.infer([x])
