"""The ONNX file of a network, for the contenders that run such files."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

import cnnkit
from peers.cnnkit_peer import net_of

__all__ = ["check", "exported"]

EVERYWHERE = os.sched_getaffinity(0)  # before anything is bound


def exported(case: dict[str, Any]) -> tuple[bytes, np.ndarray, np.ndarray]:
    """What cnnkit exports of a case's network, for its batch alone; the batch, and cnnkit's scores of it."""
    net, shape = net_of(case)
    x = np.random.default_rng(0).standard_normal((case["batch"], *shape), dtype=np.float32)
    file = cnnkit.onnx.export(net.eval(), cnnkit.tensor(x), dynamic_batch=False)
    scores = net(cnnkit.tensor(x)).detach().numpy()
    # cnnkit has bound this thread to one core, and another library's threads would stay there with it
    os.sched_setaffinity(0, EVERYWHERE)
    return file.SerializeToString(), x, scores


def check(library: str, case: dict[str, Any], scores: np.ndarray, wanted: np.ndarray) -> None:
    """Raise where a library's scores are not cnnkit's."""
    if not np.allclose(scores, wanted, rtol=1e-3, atol=1e-4):
        raise ValueError(f"{library}'s scores of {case['net']} are others than cnnkit's")
