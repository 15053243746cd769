"""The ground truth itself: the reference loops give PyTorch's outputs and gradients, by case, in float64."""

import numpy as np
import pytest
from against_torch import equal_in_pytorch

from cnnkit import conformance
from cnnkit.conformance.expected import expected
from cnnkit.ops import OPS

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None


def padded(x, padding, value=0.0):
    return F.pad(x, [amount for axis in reversed(padding) for amount in axis], value=value)


def symmetric(padding):
    assert symmetric_enough(padding)
    return tuple(before for before, _ in padding)


def symmetric_enough(padding):
    return all(before == after for before, after in padding)


def of_rank(name, rank):
    return getattr(F, f"{name}{rank}d")


def conv(x, weight, bias, *, stride, padding, dilation, groups):
    return of_rank("conv", len(stride))(padded(x, padding), weight, bias, stride, 0, dilation, groups)


def not_empty(dy):
    if dy.numel() == 0:
        pytest.skip("PyTorch makes no second derivatives of an empty batch")


def conv_input(dy, weight, *, size, stride, padding, dilation, groups):
    not_empty(dy)
    x = torch.zeros(len(dy), weight.shape[1] * groups, *size, dtype=dy.dtype, requires_grad=True)
    y = conv(x, weight, None, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return torch.autograd.grad(y, x, dy, create_graph=True)[0]


def conv_filters(x, dy, *, kernel_size, stride, padding, dilation, groups):
    not_empty(dy)
    weight = torch.zeros(dy.shape[1], x.shape[1] // groups, *kernel_size, dtype=x.dtype, requires_grad=True)
    y = conv(x, weight, None, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return torch.autograd.grad(y, weight, dy, create_graph=True)[0]


def max_pool(x, *, kernel_size, stride, padding, dilation, ceil_mode):
    function = of_rank("max_pool", len(kernel_size))
    if symmetric_enough(padding):
        return function(x, kernel_size, stride, symmetric(padding), dilation, ceil_mode)
    return function(padded(x, padding, -torch.inf), kernel_size, stride, 0, dilation, ceil_mode)


def with_indices(x, *, padding, **attrs):
    function = of_rank("max_pool", len(padding))
    return function(x, padding=symmetric(padding), return_indices=True, **attrs)


def avg_pool(x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    if not symmetric_enough(padding):
        pytest.skip("PyTorch has no asymmetric padding here")
    override = {} if divisor_override is None else {"divisor_override": divisor_override}
    return of_rank("avg_pool", len(kernel_size))(x, kernel_size, stride, symmetric(padding), ceil_mode,
                                                 count_include_pad, **override)


def batch_norm(x, weight, bias, mean, var, *, training, momentum, eps):
    if training and x.numel() == 0:
        pytest.skip("PyTorch's running statistics of an empty batch are NaN; cnnkit's stay as they are")
    mean, var = (None if v is None else v.clone() for v in (mean, var))
    y = F.batch_norm(x, mean, var, weight, bias, training, momentum, eps)
    return (y, mean, var) if training else (y, None, None)


def standardize(x, weight, bias, *, axes, eps, center):
    if not x.numel():
        pytest.skip("the mean of no numbers is NaN in PyTorch")
    offset = x - x.mean(axes, keepdim=True) if center else x
    y = offset / (offset.square().mean(axes, keepdim=True) + eps).sqrt()
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def unfold(x, *, padding, **window):
    if len(padding) != 2:
        pytest.skip("PyTorch unfolds images only")
    return F.unfold(padded(x, padding), **window)


def fold(columns, *, size, padding, **window):
    if len(padding) != 2:
        pytest.skip("PyTorch folds images only")
    (top, bottom), (left, right) = padding
    y = F.fold(columns, (size[0] + top + bottom, size[1] + left + right), **window)
    return y[..., top:top + size[0], left:left + size[1]]


TWO_AXES = {"nearest": "nearest", "nearest-exact": "nearest-exact", "linear": "bilinear", "cubic": "bicubic",
            "lanczos": "lanczos"}


def resample(x, *, axis, size, mode, align_corners, scale, antialias):
    if not x.numel():
        pytest.skip("PyTorch resizes no empty batch")
    y = x.movedim(axis, 0).flatten(1).T.unsqueeze(1).unsqueeze(2)  # (others, 1, 1, length)
    corners = {} if mode.startswith("nearest") else {"align_corners": align_corners}
    sizes = {"size": (1, size)} if scale is None else {"scale_factor": (1.0, scale)}
    y = F.interpolate(y, **sizes, mode=TWO_AXES[mode], antialias=antialias, **corners)
    rest = x.movedim(axis, 0).shape[1:]
    return y.reshape(-1, size).T.reshape(size, *rest).movedim(0, axis)


def resample_input(dy, *, axis, length, **settings):
    shape = list(dy.shape)
    shape[axis] = length
    x = torch.zeros(shape, dtype=dy.dtype, requires_grad=True)
    y = resample(x, axis=axis, size=dy.shape[axis], **settings)
    return torch.autograd.grad(y, x, dy, create_graph=True)[0]


def max_unpool(x, index, size):
    if len(size) == 1:
        return max_unpool(x.unsqueeze(2), index.unsqueeze(2), (1, *size)).squeeze(2)
    if len(size) == 2:
        return torch._C._nn.max_unpool2d(x, index, size)
    return torch._C._nn.max_unpool3d(x, index, size, (1, 1, 1), (0, 0, 0))


def pad(x, pads, value):
    return F.pad(x, [amount for axis in reversed(pads) for amount in axis], value=value)


def pad_edges(x, pads, mode):
    if x.ndim == 2 or pads[0] != (0, 0):
        pytest.skip("PyTorch pads the last axes of three and more in this mode")
    return F.pad(x, [amount for axis in reversed(pads[1:]) for amount in axis], mode=mode)


def pad_edges_input(dy, pads, mode):
    not_empty(dy)
    x = torch.zeros([n - sum(p) for n, p in zip(dy.shape, pads)], dtype=dy.dtype, requires_grad=True)
    return torch.autograd.grad(pad_edges(x, pads, mode), x, dy, create_graph=True)[0]


def getitem(x, index):
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, slice) and (part.step or 1) < 0 for part in parts):
        pytest.skip("PyTorch has no negative steps")
    return x[index]


def index_put(x, values, *, index):
    y = x.clone()
    y[index] = values
    return y


def replace_view(x, values, *, path):
    y = x.clone()
    part = y
    for name, attrs in path:
        part = getitem(part, **attrs) if name == "getitem" else getattr(part, name)(*attrs.values())
    part[...] = values
    return y


def scatter_add(dy, index, *, axis, size):
    shape = list(dy.shape)
    shape[axis] = size
    return torch.zeros(shape, dtype=dy.dtype).index_add(axis, index, dy)


def avg_pool_input(dy, *, size, **window):
    not_empty(dy)
    x = torch.zeros(*dy.shape[:2], *size, dtype=dy.dtype, requires_grad=True)
    return torch.autograd.grad(avg_pool(x, **window), x, dy, create_graph=True)[0]


def adaptive_avg_pool(x, *, output_size):
    return of_rank("adaptive_avg_pool", len(output_size))(x, output_size)


def adaptive_max_pool(x, *, output_size, return_indices=False):
    return of_rank("adaptive_max_pool", len(output_size))(x, output_size, return_indices)


def prod(x, *, axis, keepdims):
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for last in sorted(axes, reverse=True):
        x = torch.prod(x, dim=last, keepdim=keepdims)
    return x


CALLED_OTHERWISE = {  # ops whose function in PyTorch takes its arguments in another form
    "conv": conv, "conv_filters": conv_filters, "conv_input": conv_input,
    "resample": resample, "resample_input": resample_input, "fold": fold, "unfold": unfold,
    "max_pool": max_pool, "max_unpool": max_unpool, "max_pool_with_indices": with_indices,
    "avg_pool": avg_pool, "avg_pool_input": avg_pool_input, "batch_norm": batch_norm,
    "adaptive_avg_pool": adaptive_avg_pool, "adaptive_max_pool": adaptive_max_pool,
    "adaptive_max_pool_with_indices": lambda x, **size: adaptive_max_pool(x, **size, return_indices=True),
    "hardsigmoid": lambda x: F.relu6(x + 3) / 6,  # PyTorch's own multiplies by a sixth in float32
    "ctc": lambda *arguments, **settings: F.ctc_loss(*arguments, **settings, reduction="none"),
    "cast": lambda x, dtype: x.to(getattr(torch, dtype)),
    "concat": lambda *tensors, axis: torch.cat(tensors, axis),
    "expand": lambda x, shape: x.expand(shape), "getitem": getitem, "pad": pad,
    "index_put": index_put, "replace_view": replace_view,
    "pad_edges": pad_edges, "pad_edges_input": pad_edges_input,
    "scatter_add": scatter_add, "standardize": standardize,
    "take": lambda x, index, axis: torch.index_select(x, axis, index),
    "max": lambda x, axis, keepdims: torch.amax(x, dim=() if axis is None else axis, keepdim=keepdims),
    "min": lambda x, axis, keepdims: torch.amin(x, dim=() if axis is None else axis, keepdim=keepdims),
    "prod": prod,
    "all": lambda x, axis, keepdims: torch.all(x, dim=axis, keepdim=keepdims),
    "any": lambda x, axis, keepdims: torch.any(x, dim=axis, keepdim=keepdims),
}
NOT_IN_PYTORCH = {
    "dropout": "what is dropped follows from a key here",
}


def test_every_op_names_its_equal_in_pytorch_or_stands_on_a_list():
    assert {name for name, op in OPS.items() if not op.torch} == {*CALLED_OTHERWISE, *NOT_IN_PYTORCH}


@pytest.mark.needs("torch")
@pytest.mark.parametrize("case", [case for case in conformance.SINGLE if case.op not in NOT_IN_PYTORCH
                                  and case.id != "ctc-batch-0"],  # which PyTorch refuses
                         ids=lambda case: case.id)
def test_the_loops_agree_with_pytorch(case):
    # PyTorch loses digits of channels whose mean is large
    loses = case.op in ("batch_norm", "standardize") and ("steady" in case.id or "constant" in case.id)
    close = {"rtol": 1e-4, "atol": 1e-5} if loses else {"rtol": 1e-9, "atol": 1e-12}
    truth = expected(case, "float64")
    arrays = [torch.tensor(v) if isinstance(v, np.ndarray) else v for v in truth.inputs]
    leaves = [a.requires_grad_() if needed else a for a, needed in zip(arrays, case.needs)]
    outputs = (CALLED_OTHERWISE.get(case.op) or equal_in_pytorch(OPS[case.op]))(*leaves, **case.attrs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    for result, torch_result in zip(truth.outputs, outputs, strict=True):
        assert (result is None) == (torch_result is None)
        if result is not None:
            np.testing.assert_allclose(result, torch_result.detach().numpy(), **close)
    if any(case.needs):
        outputs[0].backward(torch.tensor(truth.dy))
        for result, leaf, needed in zip(truth.gradients, leaves, case.needs):
            if needed:
                np.testing.assert_allclose(result, leaf.grad.numpy(), **close)
