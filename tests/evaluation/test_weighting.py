"""Weighted means of losses."""

import numpy as np
import pytest

import cnnkit
from cnnkit.evaluation.weighting import weighted_mean


def test_weights_of_float16_whose_sum_it_does_not_hold():
    losses = cnnkit.tensor(np.ones(4096), requires_grad=True, dtype="float16")
    weight = cnnkit.tensor(np.full(4096, 100.0), dtype="float16")
    mean = weighted_mean(losses, weight)
    mean.backward()
    assert (mean.item(), mean.dtype) == (1.0, np.float16)
    assert losses.grad.numpy().astype(float) == pytest.approx(np.full(4096, 1 / 4096), rel=1e-3)
