"""Tensors print by the options that were set, and NumPy's arrays as before."""

import numpy as np
import pytest

import cnnkit


@pytest.fixture(autouse=True)
def defaults():
    yield
    cnnkit.set_printoptions(profile="default")


@pytest.mark.parametrize(("options", "values", "text"), [
    ({"precision": 2}, [0.123456], "tensor([0.12])"),
    ({"sci_mode": True, "precision": 1}, [25.0], "tensor([2.5e+01])"),
    ({"sci_mode": False}, [1e-7, 1.0], "tensor([0.0000001, 1. ])"),
    ({"threshold": 3, "edgeitems": 1}, [1.0, 2.0, 3.0, 4.0], "tensor([1., ..., 4.])"),
    ({"linewidth": 14}, [1.0, 2.0], "tensor([1., 2.])"),
    ({"profile": "full"}, [1.0] * 300, f"tensor([{', '.join(['1.'] * 300)}])")])
def test_options_change_what_is_printed(options, values, text):
    cnnkit.set_printoptions(**options)
    found = repr(cnnkit.tensor(values))
    assert " ".join(found.split()) == text
    assert ("\n" in found) == ("linewidth" in options or len(values) > 100)
    assert repr(np.array([0.123456])) == "array([0.123456])"


def test_a_profile_goes_back_to_the_first_options():
    cnnkit.set_printoptions(precision=1, sci_mode=True)
    cnnkit.set_printoptions(profile="default")
    assert repr(cnnkit.tensor([0.25])) == "tensor([0.25])"
