"""Narrow dtypes: each number and each rounding is that of ml_dtypes; inputs and outputs are rounded."""

import numpy as np
import pytest

pytest.importorskip("onnx.helper", reason="needs onnx: pip install 'cnnkit[onnx]'")
import ml_dtypes  # of which onnx needs it
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import model, node, numbers

from cnnkit import onnx, tensor
from cnnkit.onnx.importer.constants import array_of
from cnnkit.onnx.importer.narrow import NARROW, cast
from cnnkit.onnx.importer.source import Source

SOURCE = Source("net.onnx", 0)
HALVES = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
with np.errstate(all="ignore"):
    EVERY_SIZE = np.concatenate([HALVES, HALVES[::3] * np.float32(1e30), HALVES[::3] * np.float32(1e-30)])
SIGNED_FLOATS = [kind for kind in NARROW.values() if kind.exponent and kind.signed]
every_dtype = pytest.mark.parametrize("number", NARROW, ids=lambda number: NARROW[number].name)


@every_dtype
def test_an_odd_count_of_numbers_is_read_from_bytes_and_from_numbers(number):
    kind = NARROW[number]
    dtype = np.dtype(getattr(ml_dtypes, kind.name))
    codes = np.arange(2**kind.bits, dtype="u2" if kind.bits == 16 else "u1")[:2**kind.bits - 1]
    values = codes.view(dtype) if kind.bits >= 8 else codes.astype("i1").astype(dtype)
    proto = numpy_helper.from_array(values, "w")
    assert proto.data_type == number
    np.testing.assert_array_equal(array_of(proto, SOURCE), values.astype(kind.held))
    data = np.frombuffer(proto.raw_data, codes.dtype).tolist()
    listed = TensorProto(name="w", data_type=number, dims=values.shape, int32_data=data)
    np.testing.assert_array_equal(array_of(listed, SOURCE), values.astype(kind.held))


@pytest.mark.parametrize("kind", SIGNED_FLOATS, ids=lambda kind: kind.name)
def test_floats_are_rounded_to_the_nearest(kind):
    dtype = getattr(ml_dtypes, kind.name)
    with np.errstate(all="ignore"):
        wanted = EVERY_SIZE.astype(dtype).astype(np.float32)
        largest = float(ml_dtypes.finfo(dtype).max)
        saturated = np.clip(EVERY_SIZE, -largest, largest).astype(dtype).astype(np.float32)
    if not kind.special:
        wanted = np.where(np.isnan(EVERY_SIZE), 0, wanted)
    np.testing.assert_array_equal(cast(tensor(EVERY_SIZE), kind, saturate=False).numpy(), wanted)
    np.testing.assert_array_equal(cast(tensor(EVERY_SIZE), kind).numpy(),
                                  saturated if kind.bits == 8 else wanted)


@pytest.mark.parametrize("mode", ["up", "down", "nearest"])
def test_powers_of_2_are_rounded_as_asked_for(mode):
    sizes = abs(EVERY_SIZE[np.isfinite(EVERY_SIZE)])
    wanted = numpy_helper.to_float8e8m0(sizes, round_mode=mode).astype(np.float32)
    np.testing.assert_array_equal(cast(tensor(sizes), NARROW[24], round_mode=mode).numpy(), wanted)


@pytest.mark.parametrize("name", ["uint4", "int4", "uint2", "int2"])
def test_whole_numbers_lose_their_higher_bits(name):
    (kind,) = (kind for kind in NARROW.values() if kind.name == name)
    values = np.arange(-300, 300)
    np.testing.assert_array_equal(cast(tensor(values), kind).numpy(),
                                  values.astype(getattr(ml_dtypes, name)).astype(kind.held))


def test_inputs_and_outputs_are_rounded_to_the_dtype_that_they_are_declared_with():
    proto = model([node("Add", ["x", "x"], ["y"])], {"x": numbers(2)})
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT8E4M3FN
    network = onnx.load(proto)
    assert network.inputs[0].dtype == "float8_e4m3fn"
    assert network(np.float32([0.26, 0.3])).tolist() == [0.5, 0.625]


def test_cast_like_takes_the_narrow_dtype_of_an_input_a_constant_or_a_cast():
    x = np.float32([0.3, -1000])
    like = helper.make_tensor("like", TensorProto.FLOAT8E4M3FN, [1], vals=[1.0])
    proto = model([node("CastLike", ["x", "like"], ["y"])], {"x": x}, opset=19)
    proto.graph.initializer.append(like)
    assert onnx.load(proto)(x).tolist() == [0.3125, -448]
    proto = model([node("Cast", ["x"], ["c"], to=TensorProto.INT4), node("CastLike", ["x", "c"], ["y"])],
                  {"x": x}, opset=21)
    assert onnx.load(proto)(np.float32([7.5, 8])).tolist() == [7, -8]


def test_the_gradient_goes_through_a_rounding():
    x = tensor([0.3, 2.0], requires_grad=True)
    network = onnx.load(model([node("Cast", ["x"], ["c"], to=TensorProto.BFLOAT16),
                               node("Mul", ["c", "c"], ["y"])], {"x": numbers(2)}))
    network(x).sum().backward()
    assert x.grad.tolist() == [2 * 0.30078125, 4.0]
