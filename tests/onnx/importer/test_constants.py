"""`array_of`: a tensor is what its bytes are, and nothing outside the model's folder."""

import os

import numpy as np
import pytest

pytest.importorskip("onnx.helper", reason="needs onnx: pip install 'cnnkit[onnx]'")

from onnx import TensorProto, helper, numpy_helper, save_model
from onnx_graphs import model, node, numbers

from cnnkit import onnx
from cnnkit.onnx.importer.constants import array_of
from cnnkit.onnx.importer.source import Source
from cnnkit.storage import FormatError

SOURCE = Source("net.onnx", 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bool", "int8", "uint8", "int16",
                                   "uint16", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("raw", [True, False])
def test_every_dtype_is_read_from_bytes_and_from_numbers(dtype, raw):
    values = np.array([[0, 1, 100], [7, 3, 2]]).astype(dtype)
    if dtype.startswith("int"):
        values[0, 0] = -5
    kind = helper.np_dtype_to_tensor_dtype(values.dtype)
    proto = (numpy_helper.from_array(values, "w") if raw
             else helper.make_tensor("w", kind, values.shape, values.flatten()))
    got = array_of(proto, SOURCE)
    assert got.dtype == dtype
    assert got.tolist() == values.tolist()


def test_bfloat16_is_read_as_float32_which_is_exact():
    for raw in (True, False):
        bits = np.array([0x3F80, 0xC000], np.uint16)  # 1 and -2
        proto = TensorProto(name="w", data_type=TensorProto.BFLOAT16, dims=[2])
        if raw:
            proto.raw_data = bits.tobytes()
        else:
            proto.int32_data.extend(bits.tolist())
        assert array_of(proto, SOURCE).tolist() == [1.0, -2.0]


@pytest.mark.parametrize("dims", [[2**40], [2**31, 2**31], [2**62, 4], [-1], [0, 2**62], [1] * 100, [3]])
def test_a_shape_that_the_bytes_do_not_fill_is_refused_before_memory_is_taken(dims):
    proto = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, raw_data=b"1234")
    with pytest.raises(FormatError, match=r"net\.onnx: the tensor 'w' has"):
        array_of(proto, SOURCE)


def test_dtypes_that_cnnkit_does_not_have_are_named():
    with pytest.raises(FormatError, match="data type 14 of ONNX's list, which cnnkit does not read"):
        array_of(TensorProto(name="w", data_type=14), SOURCE)


# -- external data -------------------------------------------------------------------------------------------

@pytest.fixture
def outside(tmp_path):
    """A model whose weight lies in a file beside it; and a secret outside its folder."""
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(4096))
    path = folder / "net.onnx"
    save_model(model([node("Add", ["x", "w"], ["y"])], {"x": [1024]}, w=numbers(1024)), path,
               save_as_external_data=True, location="w.bin", size_threshold=0)
    return path


def changed(path, **entries):
    """The same file, with other words about where the weight is."""
    import onnx as package

    proto = package.load(path, load_external_data=False)
    for entry in proto.graph.initializer[0].external_data:
        entry.value = entries.get(entry.key, entry.value)
    path.write_bytes(proto.SerializeToString())
    return path


def test_external_data_are_read_from_the_models_folder(outside):
    assert onnx.load(outside).get_parameter("w").tolist() == numbers(1024).tolist()


@pytest.mark.parametrize("location", ["../secret", "sub/../../secret", "", ".", "..", "\0", "/dev/zero",
                                      "{secret}"])
def test_files_outside_the_models_folder_are_not_read(outside, location):
    location = location.replace("{secret}", str(outside.parents[1] / "secret"))
    with pytest.raises(FormatError, match="is no file in the model's folder; nothing outside it is read"):
        onnx.load(changed(outside, location=location))


def test_a_link_out_of_the_folder_is_not_followed(outside):
    (outside.parent / "link").symlink_to(outside.parents[1] / "secret")
    with pytest.raises(FormatError, match="nothing outside it is read"):
        onnx.load(changed(outside, location="link"))


def test_a_pipe_is_not_waited_for(outside):
    os.mkfifo(outside.parent / "pipe")
    with pytest.raises(FormatError, match="is no regular file"):
        onnx.load(changed(outside, location="pipe"))


@pytest.mark.parametrize(("entries", "message"), [
    ({"offset": "1"}, "4,096 bytes from 1 on; the file has 4,096"), ({"offset": "-8"}, "from -8 on"),
    ({"length": "10000000000000"}, "its shape needs 4,096 bytes"), ({"length": "x"}, "that is no number"),
    ({"location": "none.bin"}, "which cannot be read")])
def test_places_that_are_not_in_the_file_are_refused(outside, entries, message):
    with pytest.raises(FormatError, match=message):
        onnx.load(changed(outside, **entries))


def test_tensors_may_not_share_their_bytes_to_ask_for_more_than_there_are(outside):
    import onnx as package

    proto = package.load(outside, load_external_data=False)
    for number in range(50):
        proto.graph.initializer.add().CopyFrom(proto.graph.initializer[0])
        proto.graph.initializer[-1].name = f"w{number}"
    outside.write_bytes(proto.SerializeToString())
    with pytest.raises(FormatError, match=r"ask for more bytes of 'w\.bin' than the file has \(4,096\)"):
        onnx.load(outside)


def test_bytes_without_a_folder_have_no_external_data(outside):
    with pytest.raises(FormatError, match="load the model by its path"):
        onnx.load(outside.read_bytes())


def test_a_file_beyond_the_limit_is_not_read(outside, monkeypatch):
    monkeypatch.setenv("CNNKIT_LIMIT_MODEL_BYTES", "100")
    with pytest.raises(FormatError, match="set the environment variable CNNKIT_LIMIT_MODEL_BYTES"):
        onnx.load(outside)
