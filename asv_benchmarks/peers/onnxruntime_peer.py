"""ONNX Runtime as a contender, for inference: it runs the file that cnnkit exports of its own network."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import onnxruntime

from peers.exported import check, exported

__all__ = ["make"]


def make(case: dict[str, Any]) -> Callable[[], Any] | None:
    """A callable that computes the case's scores once; ``None`` where something else is timed."""
    if case["kind"] != "infer":
        return None
    file, x, wanted = exported(case)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    session = onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: x}
    check("ONNX Runtime", case, session.run(None, inputs)[0], wanted)
    return lambda: session.run(None, inputs)
