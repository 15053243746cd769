"""Losses on Tensors: the gradient reaches scores and probabilities; the L2 penalty."""

import math

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F


def test_cross_entropy_is_nll_loss_of_log_softmax():
    x = cnnkit.tensor(np.random.default_rng(0).normal(size=(4, 3)))
    target = cnnkit.tensor([0, 2, 1, 1])
    np.testing.assert_allclose(F.cross_entropy(x, target).item(),
                               F.nll_loss(F.log_softmax(x, 1), target).item(), rtol=1e-12)


def test_class_indices_and_their_one_hot_probabilities_agree_in_loss_and_gradient():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 3))
    a, b = cnnkit.tensor(values, requires_grad=True), cnnkit.tensor(values, requires_grad=True)
    target = cnnkit.tensor([0, 2, 1, 1])
    loss, other = F.cross_entropy(a, target), F.cross_entropy(b, F.one_hot(target, 3).to(dtype="float64"))
    loss.backward()
    other.backward()
    np.testing.assert_allclose(loss.item(), other.item(), rtol=1e-12)
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12)


def test_a_class_weight_that_requires_a_gradient_is_refused():
    with pytest.raises(ValueError, match=r"weight\.detach\(\)"):
        F.cross_entropy(cnnkit.tensor([[0.0, 0.0]]), cnnkit.tensor([1]),
                        cnnkit.tensor([1.0, 1.0], requires_grad=True))


def test_loss_without_a_batch():
    assert F.cross_entropy(cnnkit.tensor([0.0, 0.0]), cnnkit.tensor(1)).item() == pytest.approx(math.log(2))


def test_the_gradient_of_the_l2_penalty_is_the_parameters_themselves():
    ps = [cnnkit.tensor([1.0, -2.0], requires_grad=True), cnnkit.tensor([[3.0]], requires_grad=True)]
    F.l2_penalty(p for p in ps).backward()
    assert [p.grad.tolist() for p in ps] == [p.tolist() for p in ps]


def test_the_l2_penalty_of_nothing_raises():
    with pytest.raises(ValueError, match="no parameters"):
        F.l2_penalty([])


def test_the_l2_penalty_of_float16_is_summed_in_float32():
    p = cnnkit.tensor(np.full((8, 9), 200.0), requires_grad=True, dtype="float16")
    F.l2_penalty([p, p]).backward()
    assert F.l2_penalty([p, p]).item() == 72 * 200.0 ** 2
    assert p.grad.tolist() == [[400.0] * 9] * 8
    assert p.grad.dtype == np.float16
