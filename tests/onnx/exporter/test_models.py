"""The networks of `cnnkit.models` at an eighth of their width: to ONNX, through onnxruntime, and back."""

import collections
import os
from pathlib import Path

import numpy as np
import pytest

import cnnkit
from cnnkit import models, nn
from cnnkit import onnx as cnnkit_onnx
from cnnkit.models import catalogue

pytest.importorskip("ndonnx")
runtime = pytest.importorskip("onnxruntime")

SIZES = {"lenet5": 28, "alexnet": 96, "fpn_detector": 96}
QUICK = ("lenet5", "squeezenet1_1", "cifar_resnet20", "unet", "resnet18")
DATA = os.environ.get("CNNKIT_DATA")


def built(name):
    """A network whose batch norms have seen its images, and images for it.

    Variances stay above 1/2, so that no channel makes differences of the last digit large ones.
    """
    model = models.build(name, {"width_mult": 0.125})
    size = SIZES.get(name, 32 if name.startswith("cifar") else 64)
    channels = next(p for p in model.parameters() if p.ndim == 4).shape[1]
    images = np.random.default_rng(0).standard_normal((3, channels, size, size)).astype(np.float32)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 0.5
    with cnnkit.no_grad():
        model.train()(cnnkit.tensor(images))
    return model.eval(), images


def flat(value):
    """The arrays in a model's result."""
    if isinstance(value, cnnkit.Tensor):
        return [value.numpy()]
    return [array for part in (value.values() if isinstance(value, dict) else value) for array in flat(part)]


def called(model, images):
    with cnnkit.no_grad():
        return flat(model(cnnkit.tensor(images)))


def assert_same(got, wanted):
    for one, other in zip(got, wanted, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * max(1, np.abs(other).max()))


def check(name):
    model, images = built(name)
    wanted = called(model, images)
    assert all(array.std(axis=0).max() > 0 for array in wanted)  # what is compared depends on the image
    made = cnnkit_onnx.export(model, images[:1])
    assert made.opset_import[0].version == 17
    assert_same(runtime.InferenceSession(made.SerializeToString()).run(None, {"input": images}), wanted)
    assert_same(called(cnnkit_onnx.load(made).eval(), images), wanted)
    return made


@pytest.mark.parametrize("name", QUICK)
def test_a_network_is_the_same_in_onnxruntime_and_read_back(name):
    check(name)


@pytest.mark.heavy
@pytest.mark.parametrize("name", [name for name in catalogue.ARCHITECTURES if name not in QUICK])
def test_every_network_is_the_same_in_onnxruntime_and_read_back(name):
    check(name)


@pytest.mark.parametrize(("name", "operators"), [
    ("cifar_resnet20", {"Conv": 19, "BatchNormalization": 19, "Relu": 19, "Add": 9, "Slice": 2, "Pad": 2,
                        "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1}),
    ("resnet18", {"Conv": 20, "BatchNormalization": 20, "Relu": 17, "MaxPool": 1, "Add": 8,
                  "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1}),
    ("squeezenet1_1", {"Conv": 26, "Relu": 26, "MaxPool": 3, "Concat": 8, "GlobalAveragePool": 1,
                       "Flatten": 1})])
def test_a_network_has_the_operators_of_its_picture(name, operators):
    model, images = built(name)
    made = cnnkit_onnx.export(model, images[:1])
    assert dict(collections.Counter(node.op_type for node in made.graph.node)) == operators
    folded = cnnkit_onnx.export(model, images[:1], fold_batch_norm=True)
    rest = {kind: count for kind, count in operators.items() if kind != "BatchNormalization"}
    assert dict(collections.Counter(node.op_type for node in folded.graph.node)) == rest
    got = runtime.InferenceSession(folded.SerializeToString()).run(None, {"input": images})
    assert_same(got, called(model, images))


@pytest.mark.skipif(DATA is None, reason="CNNKIT_DATA is not set")
def test_a_trained_network_of_another_exporter_goes_in_and_out():
    file = Path(DATA) / "weights" / "cifar10_resnet20.onnx"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    original = runtime.InferenceSession(str(file))
    images = np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)
    made = cnnkit_onnx.export(cnnkit_onnx.load(file), images[:1])
    wanted = original.run(None, {original.get_inputs()[0].name: images})
    assert_same(runtime.InferenceSession(made.SerializeToString()).run(None, {"input": images}), wanted)


class AsModule(nn.Module):
    """The layers of a `SimpleCNN`, whose features are in the guide's order."""

    def __init__(self, simple):
        super().__init__()
        k, count = simple.filter_size, simple.num_filters
        self.conv = nn.Conv2d(1, count, k)
        self.pool = nn.MaxPool2d(simple.pool_size)
        self.fc = nn.Linear(simple.fc_weights.shape[1], simple.output_classes)
        self.load_state_dict({"conv.weight": simple.filters.reshape(count, 1, k, k),
                              "conv.bias": simple.filter_bias, "fc.weight": simple.fc_weights,
                              "fc.bias": simple.fc_bias[:, 0]})

    def forward(self, x):
        x = self.pool(cnnkit.relu(self.conv(x.unsqueeze(1))))
        return cnnkit.softmax(self.fc(x.permute(0, 2, 3, 1).flatten(1)), dim=1)


def test_the_guides_network_from_scratch():
    simple = models.SimpleCNN(input_size=(12, 10))
    images = np.random.default_rng(0).random((4, 12, 10)).astype(np.float32)
    made = cnnkit_onnx.export(AsModule(simple), images[:1])
    got, = runtime.InferenceSession(made.SerializeToString()).run(None, {"input": images})
    np.testing.assert_allclose(got.T, simple.forward(images), rtol=1e-5, atol=1e-6)
