"""Value: what may be assigned to a Tensor's grad, and comparing with what is no number."""

import pytest

import cnnkit
from cnnkit import tensor


def test_a_gradient_must_fit_its_tensor(backend):
    x = cnnkit.tensor([1.0, 2.0])
    x.grad = x * 3
    assert x.grad.tolist() == [3, 6]
    with pytest.raises(RuntimeError, match=r"grad must have .*\(2,\) float32 \S+; got \(1,\) float32"):
        x.grad = cnnkit.tensor([1.0])
    with pytest.raises(RuntimeError, match=r"got .* int"):
        x.grad = cnnkit.tensor([1, 2])
    with pytest.raises(TypeError, match="grad must be a Tensor or None; got list"):
        x.grad = [1.0, 2.0]


def test_comparing_with_what_is_no_number_is_no_comparison_of_elements(backend):
    x = tensor([1.0, 2.0])
    assert (x == None, x != None, None in [x, None]) == (False, True, True)  # noqa: E711
    assert (x == 1).tolist() == [True, False]
