"""Embedding: PyTorch's rows, gradients and table."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import nn

NUMBERS = np.array([[1, 2, 1], [0, 4, 1]])
TABLE = np.random.default_rng(0).normal(size=(5, 3))


@pytest.mark.parametrize("settings", [{}, {"padding_idx": 1}, {"padding_idx": -1}, {"max_norm": 1.0},
                                      {"max_norm": 0.5, "norm_type": 1.0}, {"scale_grad_by_freq": True}])
def test_rows_gradients_and_table_are_pytorchs(settings):
    torch = pytest.importorskip("torch")
    results = []
    for library, embedding in ((cnnkit, F.embedding), (torch, torch.nn.functional.embedding)):
        table = library.tensor(TABLE.copy(), requires_grad=True)
        y = embedding(library.tensor(NUMBERS), table, **settings)
        (y * y * y).sum().backward()
        results.append([y.detach().numpy(), table.grad.numpy(), table.detach().numpy()])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_the_layer_has_a_row_of_zeros_for_padding_and_takes_a_table():
    layer = nn.Embedding(4, 2, padding_idx=-1)
    assert repr(layer) == "Embedding(4, 2, padding_idx=3)"
    assert layer.weight[3].tolist() == [0.0, 0.0]
    given = nn.Embedding.from_pretrained(cnnkit.ones(2, 3), freeze=False)
    assert given.weight.requires_grad
    assert given(cnnkit.tensor([0])).tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda t: F.embedding(cnnkit.ones(1), t), TypeError, "needs integers; got float32"),
    (lambda t: F.embedding(cnnkit.tensor([0]), t, padding_idx=9), ValueError, "Padding_idx must be within"),
    (lambda t: F.embedding(cnnkit.tensor([0]), t[0]), ValueError, "two axes"),
    (lambda t: nn.Embedding(3, 2, padding_idx=3), ValueError, "Padding_idx must be within"),
    (lambda t: F.embedding(cnnkit.tensor([7]), t), IndexError, "7")])
def test_what_is_wrong_raises(call, error, message):
    with pytest.raises(error, match=message):
        call(cnnkit.ones(4, 2))
