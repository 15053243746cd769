"""A tree comes back from JSON and Tensors: its keys, tuples, infinities, and each Tensor's memory layout."""

import json
import math

import numpy as np
import pytest

import cnnkit
from cnnkit.backends import backend_of
from cnnkit.train.tree import copied_like, join, split


def test_a_tree_comes_back():
    tree = {"a": [1, None, True, "x", 0.1], "b": {0: (0.9, 0.999), 2: {}}, "$c": 1,
            "d": [math.inf, -math.inf], "e": {}}
    outline, tensors = split(tree)
    assert tensors == {}
    assert join(json.loads(json.dumps(outline, allow_nan=False)), {}) == tree
    assert math.isnan(join(split({"x": math.nan})[0], {})["x"])


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
def test_tensors_keep_their_memory_layout(axes, backend):
    values = np.arange(24, dtype=np.float32).reshape(np.array((2, 3, 4))[list(axes)])
    xp = backend.backend.namespace
    tensor = cnnkit.Tensor(xp.permute_dims(backend.asarray(values), tuple(np.argsort(axes).tolist())))
    assert tensor.shape == (2, 3, 4)
    order = backend_of(tensor.array).axis_order(tensor.array)
    outline, tensors = split([tensor])
    # as a file gives it
    host = {name: cnnkit.Tensor(np.array(value.numpy(), order="C")) for name, value in tensors.items()}
    again = join(outline, host)[0]
    np.testing.assert_array_equal(again.numpy(), tensor.numpy())
    new = copied_like(again, tensor)
    assert type(new) is type(tensor.array)
    assert backend_of(new).axis_order(new) == order
    np.testing.assert_array_equal(backend.to_numpy(new), tensor.numpy())


def test_numbers_of_numpy_become_pythons():
    outline, tensors = split({"a": [np.int64(3), (np.float32(0.5), np.bool_(True))]})
    assert outline == {"a": [3, {"$tuple": [0.5, True]}]}
    assert [type(outline["a"][0]), *map(type, outline["a"][1]["$tuple"])] == [int, float, bool]
    assert not tensors


def test_a_copy_shares_no_memory(backend):
    tensor = cnnkit.tensor([[1.0, 2.0]])
    new = copied_like(tensor, tensor)
    assert not np.shares_memory(backend.to_numpy(new), tensor.numpy()) or backend.name == "jax"


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j])
def test_a_value_that_is_not_plain_is_refused_and_its_path_named(value):
    with pytest.raises(TypeError, match=r"a\.b\.0 of a run's state is a "):
        split({"a": {"b": [value]}})
