"""The ground truth against an independent one: the loops give PyTorch's outputs and gradients, case by case in float64."""

import numpy as np
import pytest

from cnnkit import conformance
from cnnkit.conformance.expected import expected

torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install torch)")
F = torch.nn.functional


def padded(x, padding, value=0.0):
    (top, bottom), (left, right) = padding
    return F.pad(x, (left, right, top, bottom), value=value)


def symmetric(padding):
    assert all(before == after for before, after in padding)
    return tuple(before for before, _ in padding)


def conv2d(x, weight, bias, *, stride, padding, dilation, groups):
    return F.conv2d(padded(x, padding), weight, bias, stride, 0, dilation, groups)


def max_pool2d(x, *, kernel_size, stride, padding, dilation, ceil_mode):
    if symmetric_enough(padding):
        return F.max_pool2d(x, kernel_size, stride, symmetric(padding), dilation, ceil_mode)
    return F.max_pool2d(padded(x, padding, -torch.inf), kernel_size, stride, 0, dilation, ceil_mode)


def symmetric_enough(padding):
    return all(before == after for before, after in padding)


def with_indices(x, *, padding, **attrs):
    return F.max_pool2d(x, padding=symmetric(padding), return_indices=True, **attrs)


def avg_pool2d(x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    if not symmetric_enough(padding):
        pytest.skip("PyTorch has no asymmetric padding here")
    return F.avg_pool2d(x, kernel_size, stride, symmetric(padding), ceil_mode, count_include_pad, divisor_override)


def batch_norm(x, weight, bias, mean, var, *, training, momentum, eps):
    if training and x.numel() == 0:
        pytest.skip("PyTorch's running statistics of an empty batch are NaN; cnnkit's stay as they are")
    mean, var = (None if v is None else v.clone() for v in (mean, var))
    y = F.batch_norm(x, mean, var, weight, bias, training, momentum, eps)
    return (y, mean, var) if training else (y, None, None)


TORCH = {
    "conv": conv2d, "linear": F.linear, "max_pool": max_pool2d, "max_pool_with_indices": with_indices,
    "avg_pool": avg_pool2d, "batch_norm": batch_norm, "mse_loss": F.mse_loss,
    "adaptive_avg_pool": F.adaptive_avg_pool2d, "adaptive_max_pool": F.adaptive_max_pool2d,
    "adaptive_max_pool_with_indices": lambda x, output_size: F.adaptive_max_pool2d(x, output_size, return_indices=True),
    "relu": F.relu, "leaky_relu": F.leaky_relu, "elu": F.elu, "sigmoid": torch.sigmoid, "silu": F.silu, "tanh": torch.tanh,
    "softmax": lambda x, axis: x.softmax(axis), "log_softmax": lambda x, axis: x.log_softmax(axis),
    "cross_entropy": F.cross_entropy, "nll_loss": F.nll_loss,
    "sum": lambda x, axis, keepdims: torch.sum(x, dim=axis, keepdim=keepdims),
    "mean": lambda x, axis, keepdims: torch.mean(x, dim=axis, keepdim=keepdims),
    "max": lambda x, axis, keepdims: torch.amax(x, dim=() if axis is None else axis, keepdim=keepdims),
    "matmul": torch.matmul, "clip": torch.clamp, "pow": torch.pow, "div": torch.div, "abs": torch.abs, "where": torch.where,
}
NAMED = ("cross_entropy", "nll_loss")  # the third array, the weight, has a name in PyTorch


@pytest.mark.parametrize("case", [c for c in conformance.SINGLE if c.op in TORCH], ids=lambda case: case.id)
def test_the_loops_agree_with_pytorch(case):
    right = expected(case, "float64")
    arrays = [torch.tensor(v) if isinstance(v, np.ndarray) else v for v in right.inputs]
    leaves = [a.requires_grad_() if needed else a for a, needed in zip(arrays, case.needs)]
    if case.op in NAMED:
        outputs = TORCH[case.op](leaves[0], leaves[1], weight=leaves[2], **case.attrs)
    else:
        outputs = TORCH[case.op](*leaves, **case.attrs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    for mine, theirs in zip(right.outputs, outputs, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            np.testing.assert_allclose(mine, theirs.detach().numpy(), rtol=1e-9, atol=1e-12)
    if any(case.needs):
        outputs[0].backward(torch.tensor(right.dy))
        for mine, leaf, needed in zip(right.gradients, leaves, case.needs):
            if needed:
                np.testing.assert_allclose(mine, leaf.grad.numpy(), rtol=1e-9, atol=1e-12)
