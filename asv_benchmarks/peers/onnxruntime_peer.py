"""ONNX Runtime as a contender, for inference: it runs the file that cnnkit exports of its own network."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime

import cnnkit
from peers.cnnkit_peer import net_of

__all__ = ["make"]

EVERYWHERE = os.sched_getaffinity(0)  # before anything is bound


def make(case: dict[str, Any]) -> Callable[[], Any] | None:
    """A callable that computes the case's scores once; ``None`` where something else is timed."""
    if case["kind"] != "infer":
        return None
    net, shape = net_of(case)
    x = np.random.default_rng(0).standard_normal((case["batch"], *shape), dtype=np.float32)
    file = cnnkit.onnx.export(net.eval(), cnnkit.tensor(x), dynamic_batch=False)
    # cnnkit has bound this thread to one core, and the session's threads would stay there with it
    os.sched_setaffinity(0, EVERYWHERE)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    session = onnxruntime.InferenceSession(file.SerializeToString(), options, ["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: x}
    wanted = net(cnnkit.tensor(x)).detach().numpy()
    if not np.allclose(session.run(None, inputs)[0], wanted, rtol=1e-3, atol=1e-4):
        raise ValueError(f"ONNX Runtime's scores of {case['net']} are others than cnnkit's")
    return lambda: session.run(None, inputs)
