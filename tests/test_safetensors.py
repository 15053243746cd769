"""Safetensors files: Tensors come back as they were, whatever their layout; a damaged file is named."""

import numpy as np
import pytest

import cnnkit
from cnnkit import safetensors


def test_layouts_other_than_c_order_are_saved_right(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    path = safetensors.save_file({"x": cnnkit.Tensor(array)}, tmp_path / "x.safetensors")
    np.testing.assert_array_equal(safetensors.load_file(path)["x"].numpy(), array)


def test_a_file_is_read_onto_the_backend_that_is_named(tmp_path):
    pytest.importorskip("array_api_strict")
    path = safetensors.save_file({"x": cnnkit.tensor([1.0, 2.0])}, tmp_path / "x.safetensors")
    assert safetensors.load_file(path, "array-api-strict")["x"].backend == "array-api-strict"


def test_a_file_that_is_cut_off_is_named(tmp_path):
    path = safetensors.save_file({"x": cnnkit.tensor([1.0, 2.0])}, tmp_path / "x.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"x\.safetensors is no whole safetensors file"):
        safetensors.load_file(path)
