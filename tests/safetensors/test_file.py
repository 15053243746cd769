"""Safetensors files: Tensors come back as they were, whatever their layout; a damaged file is named."""

import json

import numpy as np
import pytest

import cnnkit
from cnnkit import safetensors
from cnnkit.backends import dtype_name
from cnnkit.storage import FormatError


def written(header, data):
    """The bytes of a file that is made by hand."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


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


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
                                   "uint64", "float16", "float32", "float64", "complex64", ">f4"])
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 2)])
def test_the_library_reads_what_is_written_and_the_other_way_round(dtype, shape):
    numpy_files = pytest.importorskip("safetensors.numpy")
    x, y = (np.arange(n).reshape(s).astype(dtype) for n, s in ((np.prod(shape, dtype=int), shape), (3, (3,))))
    data = safetensors.to_bytes({"x": cnnkit.Tensor(x), "odd": cnnkit.Tensor(y)}, {"a": "b"})
    native = {"x": x.astype(x.dtype.newbyteorder("=")), "odd": y.astype(y.dtype.newbyteorder("="))}
    for back in numpy_files.load(data), safetensors.from_bytes(numpy_files.save(native), "x"):
        for name, value in native.items():
            assert (back[name].dtype, back[name].shape) == (value.dtype, value.shape)
            np.testing.assert_array_equal(back[name], value)


@pytest.mark.parametrize(("code", "bits", "numbers"), [
    ("BF16", "c03f0080807f0100", [1.5, -0.0, np.inf, 9.183549615799121e-41]),
    ("F8_E5M2", "3e7cfb01", [1.5, np.inf, -57344, 2.0**-16]),
    ("F8_E4M3", "3c7ef901", [1.5, 448, -288, 2.0**-9])])
def test_what_numpy_does_not_have_is_read_as_float32(code, bits, numbers, tmp_path):
    data = bytes.fromhex(bits)
    path = tmp_path / "x.safetensors"
    path.write_bytes(written({"x": {"dtype": code, "shape": [2, 2], "data_offsets": [0, len(data)]}}, data))
    with cnnkit.use("numpy"):
        x = safetensors.load_file(path)["x"].numpy()
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, np.reshape(np.float32(numbers), (2, 2)))


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_every_number_of_a_dtype_that_numpy_lacks_is_written_and_read(name):
    dtype = np.dtype(getattr(pytest.importorskip("ml_dtypes"), name))
    x = np.arange(256 ** dtype.itemsize, dtype=f"u{dtype.itemsize}").view(dtype)
    back = safetensors.from_bytes(safetensors.to_bytes({"x": cnnkit.Tensor(x)}, None), "x")["x"]
    np.testing.assert_array_equal(back, x.astype(np.float32))
    np.testing.assert_array_equal(np.signbit(back), np.signbit(x.astype(np.float32)))


def test_sixteen_bit_tensors_keep_their_dtype_where_the_backend_has_it(backend):
    values = np.float32([[1.5, -2.0], [0.0078125, 448.0]])
    for dtype in backend.narrow:
        x = cnnkit.tensor(values).to(dtype=dtype)
        back = safetensors.tensors_from_bytes(safetensors.to_bytes({"x": x}, None), "x")["x"]
        assert (dtype_name(back.dtype), back.backend) == (dtype, x.backend)
        np.testing.assert_array_equal(back.to(dtype="float32").numpy(), values)


@pytest.mark.parametrize("code", ["BF16", "F16"])
def test_they_are_float32_where_it_does_not(backend, code):
    data = {"BF16": b"\xc0\x3f", "F16": b"\x00\x3e"}[code]
    data = written({"x": {"dtype": code, "shape": [1], "data_offsets": [0, 2]}}, data)
    x = safetensors.tensors_from_bytes(data, "x")["x"]
    own = {"BF16": "bfloat16", "F16": "float16"}[code]
    assert dtype_name(x.dtype) == (own if own in backend.narrow else "float32")
    assert x.to(dtype="float32").tolist() == [1.5]


def test_pytorchs_files_are_read_and_pytorch_reads_ours():
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("safetensors.torch")
    tensors = {str(dtype): torch.tensor([1.5, -0.25]).to(dtype)
               for dtype in (torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float8_e5m2)}
    for back in safetensors.from_bytes(theirs.save(tensors), "x").values():
        assert back.tolist() == [1.5, -0.25]
    data = safetensors.to_bytes({name: cnnkit.Tensor(value) for name, value in tensors.items()}, None)
    for name, back in theirs.load(data).items():
        assert back.dtype == tensors[name].dtype
        assert back.float().tolist() == [1.5, -0.25]


def test_a_dtype_that_is_not_read_is_named_with_those_that_are():
    data = written({"w": {"dtype": "F8_E8M0", "shape": [1], "data_offsets": [0, 1]}}, b"\x00")
    with pytest.raises(ValueError, match=r"net holds 'w' in F8_E8M0, which cnnkit does not read; .* BF16"):
        safetensors.from_bytes(data, "net")


def test_a_dtype_that_cannot_be_written_is_named():
    with pytest.raises(TypeError, match="cannot hold 'w', which is complex128; it holds bool"):
        safetensors.to_bytes({"w": cnnkit.Tensor(np.zeros(1, complex))}, None)


def test_metadata_are_text():
    with pytest.raises(TypeError, match=r"text by text; got .*epoch"):
        safetensors.to_bytes({}, {"epoch": 3})


@pytest.mark.parametrize("header", [
    {"x": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 4]}},
    {"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 400]}},
    {"x": {"dtype": "BF16", "shape": [2], "data_offsets": [4, 0]}},
    {"x": {"dtype": "BF17", "shape": [2], "data_offsets": [0, 4]}},
    {"x": {"dtype": "BF16", "shape": [-2], "data_offsets": [0, 4]}},
    {"x": {"shape": [2]}}, []])
def test_a_header_that_contradicts_itself_is_refused(header):
    with pytest.raises(ValueError, match="x is no whole safetensors file"):
        safetensors.from_bytes(written(header, b"\x00" * 4), "x")


def _grow(path):
    with open(path, "r+b") as file:
        file.truncate(1 << 40)  # takes no space on the disk


@pytest.mark.parametrize("damage", [
    _grow, lambda path: path.write_bytes((1 << 39).to_bytes(8, "little")) and _grow(path),
    lambda path: path.write_bytes(path.read_bytes() + b"\0"), lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes((60000).to_bytes(8, "little") + b"[" * 60000)])
def test_a_file_is_not_read_before_its_header_says_how_long_it_is(tmp_path, damage):
    path = safetensors.save_file({"x": cnnkit.tensor([1.0])}, tmp_path / "a.safetensors", {"a": "b"})
    damage(path)
    with pytest.raises(FormatError, match=r"a\.safetensors"):
        safetensors.load_file(path)


@pytest.mark.parametrize("length", [1 << 39, 1 << 62, 60000, 1])
def test_a_header_that_is_too_long_is_not_read(tmp_path, length):
    path = tmp_path / "a.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + b"[" * 60000)
    _grow(path)
    with pytest.raises(FormatError, match=r"a\.safetensors"):
        safetensors.read_metadata(path)


def test_a_model_larger_than_the_limit_is_refused(tmp_path, monkeypatch):
    path = safetensors.save_file({"x": cnnkit.tensor([1.0, 2.0])}, tmp_path / "a.safetensors")
    size = path.stat().st_size
    monkeypatch.setenv("CNNKIT_LIMIT_MODEL_BYTES", str(size - 1))
    with pytest.raises(FormatError, match=f"CNNKIT_LIMIT_MODEL_BYTES={size}"):
        safetensors.load_file(path)
    monkeypatch.setenv("CNNKIT_LIMIT_MODEL_BYTES", str(size))
    assert list(safetensors.load_file(path)) == ["x"]
