"""PyTorch's functions: the one that an op equals, its parameters, and a comparison of results."""

from __future__ import annotations

import inspect
from contextlib import nullcontext

import numpy as np
import pytest

from cnnkit import backends

# "generic": NumPy arrays without NumPy's kernels; JAX compiles for 0.2 s a case
PLACES = ["numpy", "generic", "array-api-strict"]
EXACT = {"rtol": 1e-9, "atol": 1e-12}
SINGLE = {"rtol": 2e-4, "atol": 2e-5}  # JAX computes in float32 here


class Place:
    """An array library to run ops on, and how closely its results must agree with float64."""

    def __init__(self, name):
        self.name = name
        try:
            self.backend = backends.get("numpy" if name == "generic" else name)
        except backends.Unavailable as reason:
            pytest.skip(str(reason))
        self.float = "float32" if name == "jax" else "float64"
        self.int = "int32" if name == "jax" else "int64"
        self.close = SINGLE if name == "jax" else EXACT

    def array(self, values):
        """A read-only array with these values."""
        if values is None:
            return None
        values = np.asarray(values)
        dtype = {"f": self.float, "i": self.int, "u": str(values.dtype)}[values.dtype.kind]
        array = self.backend.asarray(values, dtype)
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
        return array

    def tables(self):
        """Only generic ops, where the place says so."""
        return backends.tables() if self.name == "generic" else nullcontext()

    def numpy(self, array):
        return np.array(self.backend.to_numpy(array))


def run(place, op, arrays, attrs=None, dy=None, needs=None):
    """Outputs and gradients of an op, or a function like one, as NumPy arrays.

    `dy` is a NumPy array; without it, 1 in the output's shape, on NumPy with strides of 0.
    """
    if needs is None:
        needs = [a is not None and np.asarray(a).dtype.kind == "f" for a in arrays]
    with place.tables():
        outputs, backward = op(*[place.array(a) for a in arrays], needs=needs, **(attrs or {}))
        shape = tuple(outputs[0].shape)
        if place.backend.name == "numpy":
            dy = np.broadcast_to(np.ones((), place.float), shape) if dy is None else place.array(dy)
        else:
            dy = place.array(np.ones(shape) if dy is None else dy)
        gradients = (backward(dy, *[None] * (getattr(op, "differentiable", 1) - 1))
                     if backward else [None] * len(arrays))
    return tuple([None if a is None else place.numpy(a) for a in part] for part in (outputs, gradients))


def compare(place, op, reference, arrays, attrs=None, seed=0, gradients=True):
    """Assert that outputs and gradients agree; `reference` takes PyTorch tensors and returns one tensor."""
    torch = pytest.importorskip("torch")
    tensors = [None if a is None else torch.tensor(np.asarray(a)) for a in arrays]
    needs = [gradients and t is not None and t.is_floating_point() for t in tensors]
    for t, needed in zip(tensors, needs):
        if needed:
            t.requires_grad_()
    expected = reference(*tensors)
    dy = np.random.default_rng(seed).normal(size=tuple(expected.shape))
    outputs, actual = run(place, op, arrays, attrs, dy, needs)
    np.testing.assert_allclose(outputs[0], expected.detach().numpy(), **place.close)
    assert outputs[0].shape == tuple(expected.shape)
    if any(needs):
        expected.backward(torch.tensor(dy))
        for n, (t, needed) in enumerate(zip(tensors, needs)):
            if needed:
                np.testing.assert_allclose(actual[n], t.grad.numpy(), **place.close, err_msg=f"gradient {n}")
                assert actual[n].shape == tuple(t.shape)
            else:
                assert actual[n] is None
    return outputs


def equal_in_pytorch(op):
    """The PyTorch function that the op declares to equal, called with the op's names of attributes."""
    pytorch = pytest.importorskip("torch")
    if not op.torch:
        pytest.skip(f"PyTorch has no {op.name}")
    for name in op.torch.split(".")[1:]:
        pytorch = getattr(pytorch, name)

    def function(*tensors, **attrs):
        return pytorch(*tensors, **{op.torch_names.get(name, name): value for name, value in attrs.items()})
    return function


def parameters(function):
    """Name -> parameter of a PyTorch class or function; of a builtin, by its documentation's first line."""
    try:
        named = inspect.signature(function).parameters
    except ValueError:  # a builtin
        named = {"args": None}
    if inspect.isclass(function) or "args" not in named:
        return named
    line = function.__doc__.strip().splitlines()[0]  # conv2d(input, weight, bias=None) -> Tensor
    return inspect.signature(eval(f"lambda {line[line.index('(') + 1:line.index(')')]}: None")).parameters
