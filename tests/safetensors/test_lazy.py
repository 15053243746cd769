"""A file that is opened is read Tensor by Tensor, with the dtypes of a whole read; damage is named."""

import numpy as np
import pytest

import cnnkit
from cnnkit import safetensors
from cnnkit.storage import FormatError


def test_each_tensor_is_what_the_whole_read_gives(tmp_path, backend):
    values = {"x": cnnkit.tensor([[1.5, -2.0]]), "n": cnnkit.tensor([3]), "none": cnnkit.zeros(0, 2)}
    path = safetensors.save_file(values, tmp_path / "x.safetensors", {"made by": "cnnkit"})
    with safetensors.open_file(path) as file:
        assert (len(file), set(file), file.metadata) == (3, set(values), {"made by": "cnnkit"})
        for name, value in safetensors.load_file(path).items():
            assert (file[name].dtype, file[name].backend, file.shape(name)) == (
                value.dtype, value.backend, value.shape)
            np.testing.assert_array_equal(file[name].numpy(), value.numpy())


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_what_numpy_does_not_have_is_float32(tmp_path, name):
    dtype = np.dtype(getattr(pytest.importorskip("ml_dtypes"), name))
    x = np.float32([[1.5, -2.0, 0.25]]).astype(dtype)
    path = safetensors.save_file({"a": cnnkit.Tensor(x), "b": cnnkit.Tensor(x * dtype.type(2))},
                                 tmp_path / "x.safetensors")
    with cnnkit.use("numpy"), safetensors.open_file(path) as file:
        assert file["b"].dtype == "float32"
        assert (file["a"].tolist(), file["b"].tolist()) == ([[1.5, -2.0, 0.25]], [[3.0, -4.0, 0.5]])


def test_a_name_that_is_not_there_is_a_key_error(tmp_path):
    path = safetensors.save_file({"x": cnnkit.zeros(1)}, tmp_path / "x.safetensors", {"a": "b"})
    with safetensors.open_file(path) as file:
        for name in ("y", "__metadata__"):
            with pytest.raises(KeyError, match=name):
                file[name]


def test_a_damaged_file_is_named(tmp_path):
    path = safetensors.save_file({"x": cnnkit.zeros(9)}, tmp_path / "x.safetensors")
    content = path.read_bytes()
    for damage in (content[:-1], content[:20], b"", content.replace(b"F32", b"F99"),
                   content.replace(b"[9]", b"[8]")):
        path.write_bytes(damage)
        with pytest.raises(FormatError, match=r"x\.safetensors"):
            safetensors.open_file(path)


def test_a_file_that_became_shorter_is_an_error_and_not_the_end(tmp_path):
    path = safetensors.save_file({"x": cnnkit.zeros(9000)}, tmp_path / "x.safetensors")
    with safetensors.open_file(path) as file:
        with open(path, "r+b") as other:
            other.truncate(100)
        with pytest.raises(FormatError, match="has become shorter"):
            file["x"]
