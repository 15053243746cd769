"""`cnnkit.xp`: the standard's functions on Tensors of every backend, recorded where a gradient is wanted."""

import inspect

import numpy as np
import pytest

import cnnkit
from cnnkit import tensor, xp


def test_a_tensors_namespace_is_xp():
    assert tensor([1.0]).__array_namespace__() is xp is cnnkit.xp


def test_functions_take_the_standards_arguments_and_give_tensors(backend):
    x = cnnkit.Tensor(backend.asarray(np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)))
    with cnnkit.use(x.backend):
        total = xp.sum(x, axis=0, keepdims=True)
        assert isinstance(total, cnnkit.Tensor)
        assert (total.backend, total.tolist()) == (x.backend, [[4.0, 6.0]])
        assert xp.permute_dims(xp.concat([x, x]), (1, 0)).tolist() == [[1, 3, 1, 3], [2, 4, 2, 4]]
        assert xp.astype(x, xp.int32).dtype is cnnkit.int32
        assert xp.zeros((2,), dtype=xp.float32, device=x.device).backend == x.backend


def test_what_is_named_keeps_its_names():
    found = xp.unique_counts(xp.asarray([1, 2, 2]))
    assert (found.values.tolist(), found.counts.tolist()) == ([1, 2], [1, 2])


def test_dtypes_and_constants_are_cnnkits():
    assert xp.float32 is cnnkit.float32
    assert xp.result_type(xp.int8, xp.int16) is cnnkit.int16
    assert xp.isdtype(xp.float64, "real floating")
    assert xp.finfo(xp.float32).bits == 32
    assert xp.pi == pytest.approx(3.14159265)
    assert xp.__array_namespace_info__().dtypes(kind="bool") == {"bool": cnnkit.bool}


def test_gradients_come_back_through_the_standards_functions():
    x = tensor(np.array([1.0, 2.0]), requires_grad=True)
    xp.sum(xp.where(x > 1, xp.exp(x), xp.square(x))).backward()
    assert x.grad.tolist() == pytest.approx([2.0, np.exp(2.0)])


def test_what_has_no_gradient_says_so_and_works_without():
    x = tensor(np.eye(2), requires_grad=True)
    with pytest.raises(NotImplementedError, match="inv"):
        xp.linalg.inv(x)
    assert xp.linalg.inv(x.detach()).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_a_name_that_the_standard_lacks_is_an_attribute_error():
    with pytest.raises(AttributeError, match="convolve2d"):
        xp.convolve2d  # noqa: B018 - the look-up raises


def test_sorting_goes_down_too_and_has_gradients(backend):
    x = cnnkit.tensor([2.0, 3.0, 1.0], requires_grad=True)
    xp = x.__array_namespace__()
    assert xp.argsort(x, descending=True).tolist() == [1, 0, 2]
    ordered = xp.sort(x, descending=True)
    assert ordered.tolist() == [3.0, 2.0, 1.0]
    ordered[0].backward()
    assert x.grad.tolist() == [0.0, 1.0, 0.0]


def test_arguments_have_the_standard_s_names():
    xp = cnnkit.xp
    assert xp.clip(cnnkit.tensor([1, 5]), max=3).tolist() == [1, 3]
    assert list(inspect.signature(xp.clip).parameters) == ["x", "min", "max"]
    assert list(inspect.signature(cnnkit.Tensor.__dlpack__).parameters) == [
        "self", "stream", "max_version", "dl_device", "copy"]


def test_asarray_of_a_tensor_is_the_tensor_unless_it_is_to_change():
    x = cnnkit.tensor([1.0])
    xp = cnnkit.xp
    assert xp.asarray(x) is xp.asarray(x, copy=False) is x
    assert xp.asarray(x, copy=True) is not x
    assert xp.asarray(x, dtype=xp.float64).dtype == xp.float64
