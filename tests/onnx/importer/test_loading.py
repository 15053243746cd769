"""`onnx.load`: what comes back computes, has names, trains, and moves."""

import copy
import pickle

import numpy as np
import pytest

pytest.importorskip("onnx.helper", reason="needs onnx: pip install 'cnnkit[onnx]'")

from onnx import helper
from onnx_graphs import model, node, numbers

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, onnx, optim

WEIGHT, BIAS = numbers(4, 3, 3, 3), numbers(4, seed=1)
SCALE, SHIFT, MEAN = numbers(4, seed=2), numbers(4, seed=3), numbers(4, seed=4)
VAR, LAST = np.abs(numbers(4, seed=5)) + 0.5, numbers(5, 4, seed=6)


def net():
    """Convolution, batch norm, ReLU, a mean over the image, a dense layer without names that are legal."""
    return model([node("Conv", ["x", "body.0.weight", "body.0.bias"], ["c"], "/body/Conv", pads=[1, 1, 1, 1]),
                  node("BatchNormalization", ["c", "body.1.weight", "body.1.bias", "m", "v"], ["b"]),
                  node("Relu", ["b"], ["r"]), node("GlobalAveragePool", ["r"], ["g"]),
                  node("Flatten", ["g"], ["f"]), node("Gemm", ["f", "onnx::Gemm_9"], ["y"], transB=1)],
                 {"x": ["n", 3, 8, 8]}, body__0__weight=WEIGHT, body__0__bias=BIAS, body__1__weight=SCALE,
                 body__1__bias=SHIFT, m=MEAN, v=VAR, **{"onnx::Gemm_9": LAST})


def same_net():
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
                           nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5, bias=False)).eval()
    layers.load_state_dict({"0.weight": WEIGHT, "0.bias": BIAS, "1.weight": SCALE, "1.bias": SHIFT,
                            "1.running_mean": MEAN, "1.running_var": VAR, "5.weight": LAST}, strict=False)
    return layers


def test_a_path_bytes_and_a_message_give_the_same(tmp_path):
    proto, images = net(), numbers(2, 3, 8, 8, seed=7)
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    wanted = same_net()(images).numpy()
    for source in (path, str(path), proto.SerializeToString(), proto):
        np.testing.assert_allclose(onnx.load(source)(images).numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_what_is_no_model_is_a_type_error():
    with pytest.raises(TypeError, match=r"takes a path, the bytes of a file or an onnx\.ModelProto; got int"):
        onnx.load(3)


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        onnx.load(tmp_path / "none.onnx")


def test_weights_are_parameters_under_onnx_names_made_legal():
    loaded = onnx.load(net())
    assert [name for name, _ in loaded.named_parameters()] == [
        "onnx__Gemm_9", "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias"]
    assert [name for name, _ in loaded.named_buffers()] == ["m", "v"]
    assert {"body_Conv", "Relu_2"} <= {name for name, _ in loaded.named_children()}


def test_the_state_dict_is_saved_and_read_back(tmp_path):
    loaded, images = onnx.load(net()), numbers(2, 3, 8, 8, seed=7)
    path = cnnkit.safetensors.save_file(loaded.state_dict(), tmp_path / "w.safetensors")
    other = onnx.load(net())
    for parameter in other.parameters():
        parameter.rebind((parameter.detach() * 0).array)
    other.load_state_dict(cnnkit.safetensors.load_file(path))
    assert other(images).tolist() == loaded(images).tolist()


def test_a_copy_has_weights_of_its_own():
    loaded, images = onnx.load(net()), numbers(1, 3, 8, 8)
    other = copy.deepcopy(loaded)
    other.get_parameter("onnx__Gemm_9").rebind(np.zeros((5, 4), np.float32))
    assert other(images).tolist() == [[0.0] * 5]
    assert loaded(images).tolist() != [[0.0] * 5]


def test_a_model_is_pickled(tmp_path):
    loaded, images = onnx.load(net()), numbers(1, 3, 8, 8)
    assert pickle.loads(pickle.dumps(loaded))(images).tolist() == loaded(images).tolist()


def test_bfloat16_is_computed_as_float32():
    y = onnx.load(model([node("Cast", ["x"], ["c"], to=16), node("Mul", ["c", "c"], ["y"])], {"x": [1]}))(
        np.array([1.006], np.float32))
    assert (y.dtype, y.tolist()) == ("float32", [1.0078125**2])


def test_inputs_are_given_in_order_or_by_name():
    loaded = onnx.load(model([node("Sub", ["a", "input.1"], ["y"])], {"a": [1], "input.1": [1]}))
    one, two = np.ones(1, np.float32), np.full(1, 2, np.float32)
    assert loaded(one, two).tolist() == loaded(one, **{"input.1": two}).tolist() == [-1.0]
    assert loaded(**{"input.1": one, "a": two}).tolist() == [1.0]
    for args, kwargs, message in (
            ((one,), {}, "lacks the input 'input.1'; it takes a, input.1"),
            ((one, two, two), {}, "takes 2 inputs"), ((one, two), {"a": one}, "'a' twice"),
            ((one,), {"b": two}, "has no input 'b'; it has a, input.1")):
        with pytest.raises(TypeError, match=message):
            loaded(*args, **kwargs)


def test_several_outputs_are_a_tuple_in_the_graphs_order():
    loaded = onnx.load(model([node("Split", ["x"], ["a", "b"], axis=0)], {"x": [4]}, ["b", "a"]))
    b, a = loaded(np.arange(4, dtype=np.float32))
    assert (a.tolist(), b.tolist(), loaded.outputs) == ([0.0, 1.0], [2.0, 3.0], ("b", "a"))


def test_gradients_are_those_of_the_same_net_of_layers(backend):
    images, labels = numbers(6, 3, 8, 8), np.arange(6) % 5
    loaded, layers = onnx.load(net()), same_net()
    for module, name in ((loaded, "body.0.weight"), (layers, "0.weight")):
        x = cnnkit.tensor(images, requires_grad=True)
        F.cross_entropy(module(x), cnnkit.tensor(labels)).backward()
        module.result = x.grad.numpy(), module.get_parameter(name).grad.numpy()
    for got, wanted in zip(loaded.result, layers.result):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


def test_training_is_that_of_the_same_net_of_layers():
    images, labels = numbers(6, 3, 8, 8), cnnkit.tensor(np.arange(6) % 5)
    losses = []
    for module in (onnx.load(net()), same_net()):
        optimizer = optim.SGD(module.train().parameters(), lr=0.1, momentum=0.9)
        for _ in range(5):
            optimizer.zero_grad()
            loss = F.cross_entropy(module(images), labels)
            loss.backward()
            optimizer.step()
        losses.append((loss.item(), module.eval()(images).numpy()))
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-5)
    np.testing.assert_allclose(losses[0][1], losses[1][1], rtol=1e-4, atol=1e-5)


def test_shapes_stay_on_the_host_and_meet_the_models_tensors_on_its_backend(backend):
    scaled = model([node("Shape", ["x"], ["s"]), node("Cast", ["s"], ["f"], to=1),
                    node("Gather", ["f", "one"], ["n"]),
                    node("Div", ["x", "n"], ["d"]), node("Slice", ["s", "zero", "one_"], ["batch"]),
                    node("Concat", ["batch", "rest"], ["t"], axis=0), node("Reshape", ["d", "t"], ["y"])],
                   {"x": ["n", 2, 2]}, one=np.array(1), zero=np.array([0]), one_=np.array([1]),
                   rest=np.array([-1]))
    x = cnnkit.tensor(numbers(3, 2, 2))
    y = onnx.load(scaled)(x)
    assert (y.shape, y.backend) == ((3, 4), x.backend)
    np.testing.assert_allclose(y.numpy().reshape(3, 2, 2), x.numpy() / 2, rtol=1e-6)


def test_an_input_of_another_backend_than_the_weights_is_an_error():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match="arrays of two backends"):
        onnx.load(net())(strict.zeros((1, 3, 8, 8), dtype=strict.float32))


def test_summary_has_a_row_for_each_node_and_counts_each_parameter_once():
    summary = cnnkit.summary(onnx.load(net()), (3, 8, 8))
    assert [(row.kind, row.parameters) for row in summary.rows] == [
        ("Conv", 112), ("BatchNormalization", 8), ("Relu", 0), ("GlobalAveragePool", 0), ("Flatten", 0),
        ("Gemm", 20)]
    layers = cnnkit.summary(same_net(), (3, 8, 8))
    assert summary.parameters == layers.parameters == 140
    assert summary.rows[0].flops == layers.rows[0].flops


def test_repr_shows_inputs_and_nodes():
    text = repr(onnx.load(net()))
    assert text.startswith("OnnxModel(\n  x: float32 (?, 3, 8, 8)\n  (body_Conv): Conv(pads=(1, 1, 1, 1))")


def test_what_the_model_has_learnt_from_is_read_and_bad_metadata_are_refused():
    proto = net()
    known = ('{"shape": [3, 8, 8], "low": 0, "high": 1, "mean": [0.5], "std": [0.25], '
             '"classes": ["a", "b", "c", "d", "e"]}')
    entry = proto.metadata_props.add(key="cnnkit.input_format", value=known)
    assert onnx.load(proto).input_format.classes == tuple("abcde")
    entry.value = "[" * 100_000
    with pytest.raises(cnnkit.storage.FormatError, match=r"metadata 'cnnkit\.input_format'"):
        onnx.load(proto)


def test_errors_of_a_call_say_in_which_node():
    with pytest.raises(ValueError, match="channels") as caught:
        onnx.load(net())(numbers(1, 2, 8, 8))
    assert caught.value.__notes__ == ["in the node '/body/Conv' (Conv, opset 17) of the ONNX model"]


def test_whole_numbers_of_weights_that_are_only_settings_are_no_parameters():
    resized = model([node("Resize", ["x", "", "scales"], ["y"])], {"x": [1, 1, 2, 2]},
                    scales=np.array([1, 1, 2, 2], np.float32))
    loaded = onnx.load(resized)
    assert not loaded.state_dict()
    assert loaded(numbers(1, 1, 2, 2)).shape == (1, 1, 4, 4)


def test_a_single_number_of_arithmetic_is_a_constant_and_a_vector_a_weight():
    loaded = onnx.load(model([node("Mul", ["x", "two"], ["d"]), node("Add", ["d", "shift"], ["y"])],
                             {"x": [3]}, two=np.array([2.0], np.float32), shift=np.ones(3, np.float32)))
    assert list(loaded.state_dict()) == ["shift"]
    assert loaded.double()(np.ones(3)).dtype == "float64"


def test_what_pytorch_writes_once_because_it_is_equal_is_several_parameters():
    loaded = onnx.load(model([node("Identity", ["bn1.weight"], ["bn2.weight"]),
                              node("Mul", ["x", "bn1.weight"], ["m"]),
                              node("Mul", ["m", "bn2.weight"], ["y"])], {"x": [3]},
                             bn1__weight=np.ones(3, np.float32)))
    assert list(loaded.state_dict()) == ["bn1.weight", "bn2.weight"]


def test_an_if_takes_the_branch_of_its_condition_at_each_call():
    inner = [helper.make_tensor_value_info("inner", 1, None)]
    then, other = (helper.make_graph([node(kind, ["x"], ["inner"])], kind, [], inner)
                   for kind in ("Relu", "Neg"))
    loaded = onnx.load(model([node("ReduceSum", ["x"], ["s"], keepdims=0),
                              node("Greater", ["s", "zero"], ["c"]),
                              node("If", ["c"], ["z"], then_branch=then, else_branch=other),
                              node("Add", ["z", "x"], ["y"])], {"x": [2]}, zero=np.array(0, np.float32)))
    assert loaded(np.array([-1, 3], np.float32)).tolist() == [-1.0, 6.0]
    assert loaded(np.array([1, -3], np.float32)).tolist() == [0.0, 0.0]


def test_bytes_that_are_no_model_are_refused():
    for content in (b"", b"\x00", b"no model at all", b"\xff" * 100):
        with pytest.raises(cnnkit.storage.FormatError, match="no ONNX model"):
            onnx.load(content)
