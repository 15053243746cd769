"""Tensors' look-ups by position beside PyTorch's: values, gradients and errors."""

import numpy as np
import pytest

from cnnkit import tensor

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def both(function, *indices):
    """Values and gradient of `function` by cnnkit and by PyTorch, which must agree."""
    torch = pytest.importorskip("torch")
    x, tx = tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    y = function(x, *(tensor(i) for i in indices))
    ty = function(tx, *(torch.tensor(i) for i in indices))
    np.testing.assert_array_equal(y.numpy(), ty.detach().numpy())
    dy = np.arange(ty.numel(), dtype=np.float32).reshape(ty.shape)
    y.backward(tensor(dy))
    ty.backward(torch.tensor(dy))
    np.testing.assert_array_equal(x.grad.numpy(), tx.grad.numpy())


INDICES = {
    "rows": (np.array([1, 0, 1, -1]),),
    "pairs": (np.array([1, 0, 1]), np.array([2, -1, 2])),
    "grid": (np.array([[1], [0]]), np.array([[0, 2]])),
    "three": (np.array([1, 1]), np.array([0, 0]), np.array([3, 3])),
    "after an int": (0, slice(None), np.array([3, 1])),
    "apart": (np.array([1, 0]), slice(None), np.array([3, 1])),
    "apart by a new axis": (np.array([1, 0]), None, np.array([2, 1])),
    "after an ellipsis": (..., np.array([3, 3, 0])),
    "between slices": (slice(None), np.array([2, 0]), slice(1, None, 2)),
    "mask": X % 3 == 1,
    "mask of columns": (slice(None), np.array([True, False, True])),
    "mask beside positions": (np.array([True, True]), slice(None), np.array([0, 3])),
    "int32": np.array([1, 0], np.int32),
    "no positions": np.zeros((0, 2), np.int64),
    "a position": (np.array(1), slice(None), np.array([2, 2])),
    "list": [1, 1, 0],
    "true": True,
}


@pytest.mark.needs("torch")
@pytest.mark.parametrize("name", INDICES)
def test_indexing_is_pytorchs(backend, name):
    index = INDICES[name] if isinstance(INDICES[name], tuple) else (INDICES[name],)
    arrays = [i for i in index if isinstance(i, np.ndarray)]

    def select(x, *given):
        given = iter(given)
        return x[tuple(next(given) if isinstance(i, np.ndarray) else i for i in index)]
    both(select, *arrays)


@pytest.mark.needs("torch")
@pytest.mark.parametrize(("dim", "index"), [
    (0, np.array([[[1, 0, 0, 1]]])), (1, np.array([[[2], [0], [2]]])), (-1, np.zeros((2, 2, 5), np.int64)),
    (2, np.zeros((1, 3, 0), np.int64))])
def test_gather_is_pytorchs(backend, dim, index):
    both(lambda x, i: x.gather(dim, i), index)


def test_index_select_is_pytorchs(backend):
    both(lambda x, i: x.index_select(-2, i), np.array([2, 0, 2, 2]))


@pytest.mark.needs("torch")
@pytest.mark.parametrize(("dim", "index"), [
    (1, np.array([[[-1]]])), (2, np.array([[[0, 3], [1, 1], [2, 0]]])), (None, np.array([5, 5, 0, 23]))])
def test_take_along_dim_is_pytorchs(backend, dim, index):
    both(lambda x, i: x.take_along_dim(i) if dim is None else x.take_along_dim(i, dim), index)


def test_positions_may_count_from_the_end(backend):
    x = tensor(X)
    assert x.gather(2, tensor([[[-1]]])).tolist() == [[[3]]]
    assert x.index_select(0, tensor([-1])).tolist() == X[1:].tolist()


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda x: x.gather(1, tensor([[[3]]])), IndexError, "index 3 is out of range for axis 1 with size 3"),
    (lambda x: x.gather(3, tensor([[[0]]])), IndexError, "gather got axis 3 for .* 3 axes"),
    (lambda x: x.gather(1, tensor([0])), ValueError, r"got positions of shape \(1,\) .* must not be longer"),
    (lambda x: x.gather(0, tensor(np.zeros((1, 4, 1), int))), ValueError, "must not be longer"),
    (lambda x: x.gather(0, tensor([[[0.0]]])), TypeError, "gather needs a Tensor of int64 .* got float32"),
    (lambda x: x.gather(0, [[[0]]]), TypeError, "got list"),
    (lambda x: x.index_select(2, tensor([-5])), IndexError, "index -5 .* for axis 2 with size 4"),
    (lambda x: x.index_select(0, tensor([[0]])), ValueError, r"positions of shape \(n,\); got \(1, 1\)"),
    (lambda x: x.index_select(0, tensor([True, False])), TypeError, "index_select needs .* got bool"),
    (lambda x: x.take_along_dim(tensor([24])), IndexError, "index 24 .* axis 0 with size 24"),
    (lambda x: x.take_along_dim(tensor([[[0]] * 2]), 2), ValueError, "the shapes must broadcast"),
    (lambda x: x.take_along_dim(tensor(np.array([[[0]]], np.uint8)), 2), TypeError, "got uint8"),
])
def test_what_cannot_be_selected_is_named(backend, call, error, message):
    with pytest.raises(error, match=message):
        call(tensor(X))
