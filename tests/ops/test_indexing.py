"""Indices of every kind, by PyTorch's rules: the shapes they give, and what is refused."""

import warnings

import numpy as np
import pytest

from cnnkit import Tensor, backends, tensor
from cnnkit.backends import dtype_name

X = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
ALL = slice(None)
ROWS, ODD = np.array([2, 0, -1]), np.arange(60).reshape(3, 4, 5) % 2 == 1


def as_tensors(index):
    """An index whose arrays are Tensors."""
    if isinstance(index, tuple):
        return tuple(as_tensors(i) for i in index)
    return tensor(index) if isinstance(index, np.ndarray) else index


# an index, and one of NumPy's that means the same
@pytest.mark.parametrize(("index", "meaning"), [
    ((), ()), (..., ...), (np.int64(1), 1), (np.uint8(2), 2), (np.array(1), 1),
    ((np.array(-1), ALL, 0), (-1, ALL, 0)),
    ([2, 0], ROWS[:2]), (range(2), np.array([0, 1])), ([], np.zeros(0, int)),
    ([[0, 1], [1, 2]], np.array([[0, 1], [1, 2]])), ([True, False, True], np.array([0, 2])),
    (ROWS, ROWS), (ROWS.astype(np.int32), ROWS), (ROWS.astype(np.int16), ROWS), (ROWS.astype(np.int8), ROWS),
    (True, None), (np.array(True), None), (ODD, ODD), ((0, ODD[0]), (0, ODD[0])),
    ((..., ODD[0, 0]), (..., ODD[0, 0])),
    ((slice(np.int64(1), None), [0, 3]), (slice(1, None), [0, 3])),
    ((ROWS, ALL, ROWS), (ROWS, ALL, ROWS)), ((ALL, ROWS, ROWS), (ALL, ROWS, ROWS)),
    ((0, ROWS), (0, ROWS)), ((ALL, ROWS, 3), (ALL, ROWS, 3)), ((None, ROWS), (None, ROWS)),
], ids=str)
def test_an_index_selects_what_it_means(backend, index, meaning):
    x = tensor(X, requires_grad=True)
    y = x[as_tensors(index)]
    np.testing.assert_array_equal(y.numpy(), X[meaning])
    dy = np.arange(y.numel(), dtype=np.float32).reshape(y.shape)
    y.backward(tensor(dy))
    expected = np.zeros_like(X)
    np.add.at(expected, meaning, dy)
    np.testing.assert_array_equal(x.grad.numpy(), expected)


def test_false_selects_nothing_on_a_new_axis(backend):
    assert tensor(X)[False].shape == (0, 3, 4, 5)


def test_an_int_selects_before_arrays_do_as_in_pytorch(backend):
    np.testing.assert_array_equal(tensor(X)[0, :, tensor([1, 4])].numpy(), X[0][:, [1, 4]])


def test_an_index_may_come_from_the_host(backend):
    assert tensor(X)[np.array([2, 0])].tolist() == X[[2, 0]].tolist()
    assert tensor(X)[:, np.array([True, False, False, True])].shape == (3, 2, 5)


def test_tensors_in_lists_and_slices_count_as_numbers(backend):
    assert tensor(X)[[tensor(2), tensor(0)]].tolist() == X[[2, 0]].tolist()
    assert tensor(X)[tensor(1):, 0, :tensor(2)].tolist() == X[1:, 0, :2].tolist()


def test_an_index_of_uint8_is_a_mask_and_warns_as_in_pytorch(backend):
    with pytest.warns(UserWarning, match="an index of uint8 is a mask, as in PyTorch"):
        y = tensor(X)[tensor(np.array([1, 0, 1], np.uint8))]
    assert y.tolist() == X[[0, 2]].tolist()


@pytest.mark.parametrize(("index", "message"), [
    (3, "index 3 is out of range for axis 0 with size 3"),
    ((0, -5), "index -5 is out of range for axis 1 with size 4"),
    (np.array([0, 3]), "index 3 is out of range for axis 0 with size 3"),
    (np.array([[-4]]), "index -4 is out of range for axis 0 with size 3"),
    ((0, ALL, np.array([1, 5])), "index 5 is out of range for axis 2 with size 5"),
    ((np.array([0]), np.array([1]), np.array([9])), "index 9 is out of range for axis 2 with size 5"),
    (np.array(7), "index 7 is out of range for axis 0"),
    ((0, 0, 0, 0), r"index for 4 axes; the array of shape \(3, 4, 5\) has 3"),
    ((..., ODD, 0), "index for 4 axes"),
    ((..., 0, ...), "one ellipsis"),
    (np.array([True, False]), r"a mask of shape \(2,\) does not fit .* from axis 0 on it needs \(3,\)"),
    ((0, np.ones((4, 4), bool)), r"from axis 1 on it needs \(4, 5\)"),
    ((np.array([0, 1]), np.array([0, 1, 2])), r"shapes \(2,\) and \(3,\), which do not broadcast"),
    (np.array([0.0, 1.0]), r"int64 .* got float\d\d\. Convert it with \.to\(dtype='int64'\)"),
    ([0.5], "int64 .* got float64"), (np.array(1.0), "int64 .* got float"),
    (np.array([1], np.uint16), "got uint16"), (np.array([1], np.uint64), "got uint"),
    (1.5, "got float 1.5"), ("a", "got str 'a'"),
], ids=str)
def test_a_wrong_index_is_named(backend, index, message):
    index = as_tensors(index)
    with pytest.raises(IndexError, match=message):
        tensor(X)[index]


def test_an_index_on_another_device_library_is_refused_with_both_names():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match=r"'numpy' and an index of 'array-api-strict'; move one"):
        Tensor(X)[Tensor(strict.asarray([0, 1]))]


def test_labels_and_indices_that_ops_make_are_int64(backend):
    import cnnkit.functional as F

    wide = "int32" if backend.name == "jax" else "int64"
    x = tensor(X.reshape(1, 3, 4, 5))
    made = [x.argmax(), x.argmax(1), F.max_pool2d(x, 2, return_indices=True)[1], tensor([1]),
            F.adaptive_max_pool2d(x, 2, return_indices=True)[1], F.one_hot(tensor(np.array([1], np.uint8)))]
    assert [dtype_name(t.dtype) for t in made] == [wide] * len(made)


def test_an_index_warns_of_nothing_else(backend):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert backends.dtype_name(tensor(X)[tensor([0, 2]), tensor([1, 1])].dtype) == "float32"
