"""Each operator means what the file's opset says: beside onnxruntime, and by hand where it is not there.

ONNX's own tests (``python -m cnnkit.onnx.check``) are of the newest meaning only.
"""

import numpy as np
import pytest

pytest.importorskip("onnx.helper", reason="needs onnx: pip install 'cnnkit[onnx]'")

from onnx_graphs import model, node, numbers

from cnnkit import onnx
from cnnkit.storage import FormatError

X = numbers(2, 3, 4, 6)
AXES = np.array([1, 2])

# name -> (node, opset, constants): every operator whose meaning or form has changed, before and after
CASES = {
    "softmax of rows": (node("Softmax", ["x"], ["y"], axis=2), 12, {}),
    "softmax by default of rows": (node("Softmax", ["x"], ["y"]), 11, {}),
    "softmax": (node("Softmax", ["x"], ["y"], axis=2), 13, {}),
    "softmax by default": (node("Softmax", ["x"], ["y"]), 13, {}),
    "log softmax of rows": (node("LogSoftmax", ["x"], ["y"], axis=-2), 11, {}),
    "hardmax of rows": (node("Hardmax", ["x"], ["y"], axis=1), 11, {}),
    "batch norm 8": (node("BatchNormalization", ["x", "w", "w", "m", "v"], ["y"], epsilon=0.1), 8,
                     "statistics"),
    "batch norm 13": (node("BatchNormalization", ["x", "w", "w", "m", "v"], ["y"]), 13, "statistics"),
    "batch norm 15": (node("BatchNormalization", ["x", "w", "w", "m", "v"], ["y"]), 15, "statistics"),
    "group norm 18": (node("GroupNormalization", ["x", "w", "w"], ["y"], num_groups=3), 18, "statistics"),
    "group norm 21": (node("GroupNormalization", ["x", "w", "w"], ["y"], num_groups=1), 21, "statistics"),
    "dropout 10": (node("Dropout", ["x"], ["y"], ratio=0.9), 10, {}),
    "dropout 13": (node("Dropout", ["x", "ratio"], ["y"]), 13, {"ratio": np.array(0.9, np.float32)}),
    "clip 10": (node("Clip", ["x"], ["y"], min=-0.5, max=0.25), 10, {}),
    "clip 13": (node("Clip", ["x", "", "most"], ["y"]), 13, {"most": np.array(0.25, np.float32)}),
    "pad 10": (node("Pad", ["x"], ["y"], pads=[0, 0, 1, -1, 0, 0, 2, 0], value=1.5), 10, {}),
    "pad 13": (node("Pad", ["x", "pads"], ["y"], mode="reflect"), 13,
               {"pads": np.array([0, 0, 1, 2, 0, 0, 2, 1])}),
    "pad 18": (node("Pad", ["x", "pads", "", "axes"], ["y"], mode="edge"), 18,
               {"pads": np.array([1, 0, 0, 2]), "axes": np.array([-1, 2])}),
    "slice 9": (node("Slice", ["x"], ["y"], starts=[1, -3], ends=[3, 100], axes=[2, 3]), 9, {}),
    "slice 13": (node("Slice", ["x", "from", "to", "axes", "steps"], ["y"]), 13,
                 {"from": np.array([-1, 100]), "to": np.array([-100, 0]), "axes": AXES,
                  "steps": np.array([-1, -2])}),
    "split 11": (node("Split", ["x"], ["y", "z"], axis=3, split=[2, 4]), 11, {}),
    "split 13": (node("Split", ["x", "parts"], ["y", "z"], axis=3), 13, {"parts": np.array([1, 5])}),
    "split 18": (node("Split", ["x"], ["y", "z", "w"], axis=2, num_outputs=3), 18, {}),
    "squeeze 11": (node("Squeeze", ["x"], ["y"], axes=[0]), 11, "one"),
    "squeeze 13": (node("Squeeze", ["x", "axes"], ["y"]), 13, "one"),
    "unsqueeze 11": (node("Unsqueeze", ["x"], ["y"], axes=[0, 3]), 11, {}),
    "unsqueeze 13": (node("Unsqueeze", ["x", "axes"], ["y"]), 13, {"axes": np.array([-1, 0])}),
    "sum 11": (node("ReduceSum", ["x"], ["y"], axes=[1, -1], keepdims=0), 11, {}),
    "sum 13": (node("ReduceSum", ["x", "axes"], ["y"]), 13, {"axes": AXES}),
    "sum of nothing 13": (node("ReduceSum", ["x", "none"], ["y"], noop_with_empty_axes=1), 13,
                          {"none": np.array([], np.int64)}),
    "mean 17": (node("ReduceMean", ["x"], ["y"], axes=[2, 3]), 17, {}),
    "mean 18": (node("ReduceMean", ["x", "axes"], ["y"], keepdims=0), 18, {"axes": AXES}),
    "norm 13": (node("ReduceL2", ["x"], ["y"]), 13, {}),
    "top 9": (node("TopK", ["x"], ["y", "i"], k=2, axis=3), 9, {}),
    "top 11": (node("TopK", ["x", "k"], ["y", "i"], axis=2, largest=0), 11, {"k": np.array([3])}),
    "upsample 7": (node("Upsample", ["x"], ["y"], scales=[1.0, 1.0, 2.0, 1.5]), 7, {}),
    "upsample 9": (node("Upsample", ["x", "scales"], ["y"], mode="linear"), 9, "scales"),
    "resize 10": (node("Resize", ["x", "scales"], ["y"], mode="linear"), 10, "scales"),
    "resize 11": (node("Resize", ["x", "roi", "scales"], ["y"]), 11, "scales"),
    "resize as PyTorch": (node("Resize", ["x", "", "", "sizes"], ["y"], mode="cubic", cubic_coeff_a=-0.75,
                               coordinate_transformation_mode="pytorch_half_pixel"), 13,
                          {"sizes": np.array([2, 3, 7, 3])}),
    "resize by corners": (node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear",
                               coordinate_transformation_mode="align_corners"), 17,
                          {"sizes": np.array([2, 3, 9, 11])}),
    "grid sample 16": (node("GridSample", ["x", "grid"], ["y"], mode="bilinear"), 16, "grid"),
    "grid sample 20": (node("GridSample", ["x", "grid"], ["y"], mode="linear", padding_mode="border"), 20,
                       "grid"),
    "one-sided pads": (node("MaxPool", ["x"], ["y"], kernel_shape=[2, 3], pads=[0, 1, 1, 0], strides=[1, 2],
                            ceil_mode=1), 12, {}),
    "lower corner": (node("AveragePool", ["x"], ["y"], kernel_shape=[3, 3], auto_pad="SAME_LOWER"), 11, {}),
    "counted padding": (node("AveragePool", ["x"], ["y"], kernel_shape=[3, 2], pads=[1, 1, 0, 1],
                             strides=[2, 2], count_include_pad=1, ceil_mode=1), 19, {}),
    "dilated average": (node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 3]), 19, {}),
}
SHARED = {"statistics": {"w": numbers(3, seed=1), "m": numbers(3, seed=2),
                         "v": np.abs(numbers(3, seed=3)) + 0.1},
          "scales": {"scales": np.array([1, 1, 1.5, 2], np.float32), "roi": np.zeros(0, np.float32)},
          "one": {"axes": np.array([0])},
          "grid": {"grid": np.tanh(numbers(2, 5, 4, 2, seed=4))}}


def made(name):
    """The case's model, and its input."""
    operator, opset, constants = CASES[name]
    constants = SHARED[constants] if isinstance(constants, str) else constants
    x = X[:1] if constants is SHARED["one"] else X
    return model([operator], {"x": x.shape}, list(operator.output), opset,
                 **{key: value for key, value in constants.items() if key in operator.input}), x


@pytest.mark.parametrize("name", CASES)
def test_the_result_is_onnxruntimes(name):
    runtime = pytest.importorskip("onnxruntime")
    proto, x = made(name)
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    results = onnx.load(proto)(x)
    results = results if isinstance(results, tuple) else (results,)
    for got, wanted in zip(results, session.run(None, {"x": x})):
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_allclose(got.numpy(), wanted, rtol=2e-5, atol=2e-6)


def test_softmax_is_of_rows_before_opset_13():
    x = X.reshape(2, 72)
    e = np.exp(x - x.max(1, keepdims=True))
    rows = onnx.load(made("softmax by default of rows")[0])(X).numpy()
    np.testing.assert_allclose(rows.reshape(2, 72), e / e.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(onnx.load(made("softmax by default")[0])(X).numpy().sum(3), 1, rtol=1e-5)


def test_lrn_of_an_even_number_of_channels_has_one_more_after_each():
    squares = np.pad(X * X, ((0, 0), (0, 1), (0, 0), (0, 0)))
    wanted = X / (1 + 0.5 / 2 * (squares[:, :-1] + squares[:, 1:])) ** 0.75
    y = onnx.load(model([node("LRN", ["x"], ["y"], size=2, alpha=0.5)], {"x": X.shape}))(X)
    np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-5)


def test_group_norm_has_a_scale_for_each_group_before_opset_21():
    scale, x = np.array([2.0, 3.0], np.float32), numbers(1, 4, 5)
    node_ = node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=2)
    old = onnx.load(model([node_], {"x": [1, 4, 5]}, opset=18, s=scale, b=scale))(x)
    each = np.repeat(scale, 2)
    new = onnx.load(model([node_], {"x": [1, 4, 5]}, opset=21, s=each, b=each))(x)
    assert old.tolist() == new.tolist()


def test_a_form_of_another_opset_is_refused():
    for proto, message in (
            (model([node("Clip", ["x"], ["y"], min=0.0)], {"x": [1]}, opset=11), "attribute 'min'"),
            (model([node("Clip", ["x", "x"], ["y"])], {"x": [1]}, opset=10), "has 2 inputs"),
            (model([node("ReduceMean", ["x", "x"], ["y"])], {"x": [1]}, opset=17), "has 2 inputs")):
        with pytest.raises(FormatError, match=message):
            onnx.load(proto)


def test_a_graph_that_trains_normalises_by_its_batch_and_gives_the_new_statistics():
    x = numbers(4, 3, 5)
    proto = model([node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y", "m2", "v2"], training_mode=1,
                        momentum=0.75)], {"x": x.shape}, ["y", "m2", "v2"], 15, s=np.ones(3, np.float32),
                  b=np.zeros(3, np.float32), m=np.ones(3, np.float32), v=np.ones(3, np.float32))
    y, mean, var = onnx.load(proto)(x)
    np.testing.assert_allclose(y.numpy().mean((0, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(mean.numpy(), 0.75 + 0.25 * x.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(var.numpy(), 0.75 + 0.25 * x.var((0, 2)), rtol=1e-5)


def test_dropout_drops_where_the_module_trains_and_says_what_it_kept():
    loaded = onnx.load(model([node("Dropout", ["x"], ["y", "kept"])], {"x": [1000]}, ["y", "kept"], 13))
    y, kept = loaded.train()(np.ones(1000, np.float32))
    assert {*y.tolist()} == {0.0, 2.0}
    assert kept.tolist() == [value == 2 for value in y.tolist()]
    assert 400 < sum(kept.tolist()) < 600
