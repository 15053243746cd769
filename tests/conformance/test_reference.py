"""The ground truth against an independent one: the loops give PyTorch's outputs and gradients, case by case in float64."""

import numpy as np
import pytest
from against_torch import equal_in_pytorch

from cnnkit import conformance
from cnnkit.conformance.case import expected
from cnnkit.ops import OPS

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None


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


def pad(x, pads, value):
    return F.pad(x, [amount for axis in reversed(pads) for amount in axis], value=value)


def getitem(x, index):
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, slice) and (part.step or 1) < 0 for part in parts):
        pytest.skip("PyTorch has no negative steps")
    return x[index]


def adaptive_avg_pool2d(x, *, output_size):
    return F.adaptive_avg_pool2d(x, output_size)


def adaptive_max_pool2d(x, *, output_size, return_indices=False):
    return F.adaptive_max_pool2d(x, output_size, return_indices)


CALLED_OTHERWISE = {  # PyTorch has the function, and the arguments have another form there
    "conv2d": conv2d, "max_pool2d": max_pool2d, "max_pool2d_with_indices": with_indices,
    "avg_pool2d": avg_pool2d, "batch_norm": batch_norm,
    "adaptive_avg_pool2d": adaptive_avg_pool2d, "adaptive_max_pool2d": adaptive_max_pool2d,
    "adaptive_max_pool2d_with_indices": lambda x, **size: adaptive_max_pool2d(x, **size, return_indices=True),
    "cast": lambda x, dtype: x.to(getattr(torch, dtype)),
    "concat": lambda *tensors, axis: torch.cat(tensors, axis),
    "expand": lambda x, shape: x.expand(shape), "getitem": getitem, "pad": pad,
    "max": lambda x, axis, keepdims: torch.amax(x, dim=() if axis is None else axis, keepdim=keepdims),
}
NOT_IN_PYTORCH = {"dropout": "what is dropped follows from a key here"}


def test_every_op_names_its_equal_in_pytorch_or_stands_on_a_list():
    assert {name for name, op in OPS.items() if not op.torch} == {*CALLED_OTHERWISE, *NOT_IN_PYTORCH}


@pytest.mark.skipif(torch is None, reason="PyTorch is not installed (pip install torch)")
@pytest.mark.parametrize("case", [case for case in conformance.SINGLE if case.op not in NOT_IN_PYTORCH],
                         ids=lambda case: case.id)
def test_the_loops_agree_with_pytorch(case):
    right = expected(case, "float64")
    arrays = [torch.tensor(v) if isinstance(v, np.ndarray) else v for v in right.inputs]
    leaves = [a.requires_grad_() if needed else a for a, needed in zip(arrays, case.needs)]
    outputs = (CALLED_OTHERWISE.get(case.op) or equal_in_pytorch(OPS[case.op]))(*leaves, **case.attrs)
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
