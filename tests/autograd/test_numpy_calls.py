"""Functions of NumPy, and of CuPy like them, call a Tensor's methods by their own names: the error helps."""

import numpy as np
import pytest

import cnnkit
from cnnkit.autograd.numpy_calls import CALLED

x = cnnkit.tensor([[1.0, 2.0], [3.0, 5.0]])


@pytest.mark.parametrize("name", CALLED)
def test_an_argument_of_numpys_is_refused_with_the_fix(name):
    with pytest.raises(TypeError, match=rf"cupy\.{name}\(x\.array\), numpy\.{name}\(x\.numpy\(\)\)"):
        getattr(x, name)(axis=0, out=None)


def test_numpys_own_function_says_it_too():
    with pytest.raises(TypeError, match=r"numpy\.mean\(x\.numpy\(\)\)"):
        np.mean(x)


def test_an_axis_that_was_left_out_is_refused_too():
    with pytest.raises(TypeError, match=r"cupy\.repeat\(x\.array\)"):
        x.repeat(2, None)


def test_an_error_from_within_stays_as_it_is():
    with pytest.raises(TypeError) as error:
        x.sum(dim="height")
    assert "numpy.sum" not in str(error.value)


def test_methods_are_the_same_otherwise():
    assert x.mean(dim=0).tolist() == [2.0, 3.5]
    assert cnnkit.Tensor.mean.__doc__.startswith("Mean over")
