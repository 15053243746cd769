"""embedding_bag: PyTorch's sums, means and maxima, their gradients, and the layer."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import nn

TABLE = np.random.default_rng(0).normal(size=(6, 3))
FLAT, OFFSETS = np.array([1, 4, 1, 0, 5, 2, 2]), np.array([0, 3, 3, 5])
FACTORS = np.linspace(0.5, 2, 7)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("settings", [
    {}, {"mode": "sum"}, {"mode": "max"}, {"padding_idx": 1}, {"mode": "max", "padding_idx": -5},
    {"mode": "sum", "per_sample_weights": FACTORS}, {"include_last_offset": True}, {"max_norm": 1.0}])
def test_bags_and_gradients_are_pytorchs(settings):
    torch = pytest.importorskip("torch")
    results = []
    for library, bag in ((cnnkit, F.embedding_bag), (torch, torch.nn.functional.embedding_bag)):
        table = library.tensor(TABLE.copy(), requires_grad=True)
        given = {name: library.tensor(value, requires_grad=True) if isinstance(value, np.ndarray) else value
                 for name, value in settings.items()}
        offsets = [*OFFSETS, 7] if "include_last_offset" in settings else OFFSETS
        y = bag(library.tensor(FLAT), table, library.tensor(np.array(offsets)), **given)
        (y * y * y).sum().backward()
        factors = given.get("per_sample_weights")
        results.append([y.detach().numpy(), table.grad.numpy(), table.detach().numpy(),
                        *([] if factors is None else [factors.grad.numpy()])])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_bags_of_one_size_are_rows(backend):
    table = cnnkit.tensor([[1.0, 2.0], [3.0, -4.0], [5.0, 6.0]])
    rows = cnnkit.tensor([[0, 1], [2, 2]])
    assert F.embedding_bag(rows, table, mode="sum").tolist() == [[4.0, -2.0], [10.0, 12.0]]
    assert F.embedding_bag(rows, table, mode="max").tolist() == [[3.0, 2.0], [5.0, 6.0]]


def test_empty_bags_are_zeros():
    table, none = cnnkit.ones(3, 2), cnnkit.tensor([], dtype="int64")
    for mode in ("sum", "mean", "max"):
        bags = F.embedding_bag(none, table, cnnkit.tensor([0, 0]), mode=mode)
        assert bags.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_the_layer_takes_a_table():
    layer = nn.EmbeddingBag.from_pretrained(cnnkit.ones(3, 2), mode="sum", padding_idx=1)
    assert layer(cnnkit.tensor([[0, 1, 2]])).tolist() == [[2.0, 2.0]]
    assert not layer.weight.requires_grad
    assert repr(layer) == "EmbeddingBag(3, 2, mode='sum', padding_idx=1)"
    assert nn.EmbeddingBag(4, 2, padding_idx=-1).weight[3].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("arguments", "settings", "error", "message"), [
    (([0, 1],), {}, ValueError, "offsets has to be a 1D Tensor"),
    (([0, 1], [1]), {}, ValueError, r"offsets\[0\] has to be 0.*got 1"),
    (([0, 1], [0, 3]), {}, ValueError, "nor go beyond the input's length, 2"),
    (([[0, 1]], [0]), {}, ValueError, "if input is 2D, then offsets has to be None"),
    (([[[0]]],), {}, ValueError, "1D or 2D"),
    (([[0, 1]],), {"mode": "product"}, ValueError, "sum, mean, max; got 'product'"),
    (([[0, 1]],), {"mode": "max", "scale_grad_by_freq": True}, ValueError, "max mode does not support"),
    (([[0, 1]],), {"per_sample_weights": cnnkit.ones(1, 2)}, NotImplementedError, "mode='sum'"),
    (([[0, 1]],), {"mode": "sum", "per_sample_weights": cnnkit.ones(2)}, ValueError,
     r"shape of the input, \(1, 2\); got \(2,\)")])
def test_arguments_that_do_not_fit_are_named(arguments, settings, error, message):
    input, *offsets = map(cnnkit.tensor, arguments)
    with pytest.raises(error, match=message):
        F.embedding_bag(input, cnnkit.ones(3, 2), *offsets, **settings)
