"""Look-ups as functions: each is the Tensor's method."""

import cnnkit.functional as F
from cnnkit import tensor


def test_functions_are_the_methods():
    x, index = tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([[1], [0]])
    assert F.gather(x, 1, index).tolist() == x.gather(1, index).tolist() == [[2], [3]]
    assert F.index_select(x, 0, tensor([1])).tolist() == x.index_select(0, tensor([1])).tolist() == [[3, 4]]
    assert F.take_along_dim(x, index, 1).tolist() == x.take_along_dim(index, 1).tolist() == [[2], [3]]
    assert F.take_along_dim(x, tensor([3, 0])).tolist() == [4, 1]
