"""Devices by PyTorch's names, and where new arrays go by them."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends


def test_a_tensors_device_makes_others_in_its_library(backend):
    x = cnnkit.tensor([1.0], backend=backends.current())
    for made in (cnnkit.zeros(2, device=x.device), cnnkit.tensor([1], device=x.device), x.new_ones(1),
                 cnnkit.arange(2, device=x.device), cnnkit.rand(2, device=x.device), cnnkit.zeros_like(x)):
        assert made.backend == x.backend


@pytest.mark.parametrize("name", ["numpy", "array-api-strict", "emulator"])
def test_what_computes_on_the_cpu_stays_where_it_is(name):
    x = cnnkit.tensor([1.0], backend=name)
    assert x.device == cnnkit.device("cpu")
    assert x.cpu() is x
    assert x.to("cpu") is x
    assert x.to(x.device) is x
    assert cnnkit.zeros(1).to(x).backend == name


def test_the_cpu_is_the_library_in_use():
    with cnnkit.use("array-api-strict"):
        assert cnnkit.zeros(1, device="cpu").backend == "array-api-strict"
        assert cnnkit.from_numpy(np.ones(1)).backend == "array-api-strict"
    assert cnnkit.zeros(1, device="cpu").backend == "numpy"


def test_a_backend_is_a_device_too():
    assert cnnkit.zeros(1, device="array-api-strict").backend == "array-api-strict"
    assert cnnkit.zeros(1).to(device="array-api-strict", dtype=cnnkit.float64).dtype is cnnkit.float64


@pytest.mark.parametrize("make", [lambda: cnnkit.zeros(1, device="cuda"), lambda: cnnkit.ones(1).cuda(),
                                  lambda: cnnkit.nn.Linear(1, 1).cuda(0)])
def test_without_cupy_the_error_says_what_to_install(make):
    if cnnkit.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(backends.Unavailable, match="backend 'cupy' is not available"):
        make()


def test_a_device_and_a_backend_are_not_given_at_once():
    with pytest.raises(TypeError, match=r"give device= or backend=, not both: got 'cpu' and 'numpy'"):
        cnnkit.zeros(1, device="cpu", backend="numpy")


def test_what_is_no_device_is_refused():
    with pytest.raises(RuntimeError, match="there is no device 'tpu': a device is 'cpu', 'cuda' or 'cuda:1'"):
        cnnkit.device("tpu")
    with pytest.raises(TypeError, match="a device is named by a text"):
        cnnkit.device(1.5)


def test_moving_keeps_the_gradients_of_leaves_and_ends_the_tape():
    x = cnnkit.tensor([1.0], requires_grad=True)
    moved = (x * 2).to("array-api-strict")
    assert (moved.is_leaf, moved.requires_grad, x.to("array-api-strict").requires_grad) == (True, False, True)


def test_copies_are_made_on_demand():
    x = cnnkit.tensor([1.0])
    assert x.to("cpu", copy=True) is not x
    assert x.to(cnnkit.float32, False, True) is not x
