"""`onnx.export`: graphs that onnxruntime runs as cnnkit computes."""

import collections
import json

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import backends, data, models, nn, random
from cnnkit import onnx as cnnkit_onnx

pytest.importorskip("ndonnx")
runtime = pytest.importorskip("onnxruntime")
TOLERANCE = 1e-5


def operators(model):
    return dict(collections.Counter(node.op_type for node in model.graph.node))


def drawn(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def check(model, *inputs, batches=(1, 5), **settings):
    """Export a model and compare it with onnxruntime, at the size of the examples and at others."""
    made = cnnkit_onnx.export(model, inputs, **settings)
    session = runtime.InferenceSession(made.SerializeToString())
    names = [value.name for value in session.get_inputs()]
    dynamic = settings.get("dynamic_batch", True)
    for n in {len(inputs[0]), *batches} if dynamic else {len(inputs[0])}:
        given = [np.resize(value, (n, *value.shape[1:])) for value in inputs]
        results = session.run(None, dict(zip(names, given)))
        with cnnkit.no_grad(), nn.evaluating(model):
            wanted = model(*map(cnnkit.tensor, given))
        for got, want in zip(results, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
            want = want.numpy()
            assert (got.shape, got.dtype) == (want.shape, want.dtype)
            np.testing.assert_allclose(got, want, rtol=TOLERANCE, atol=TOLERANCE * max(1, abs(want).max()))
    return made


class Guide(nn.Module):
    """The guide's PyTorch class."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.pool, self.fc1, self.fc2 = nn.MaxPool2d(2, 2), nn.Linear(16 * 7 * 7, 32), nn.Linear(32, 10)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 7 * 7)
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(self.bn1(self.conv1(x)) + x)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.Sequential(Block(8), Block(8))
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 10)

    def forward(self, x):
        return self.fc(self.pool(self.blocks(self.stem(x))).flatten(1))


class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.group, self.instance = nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8)
        self.affine, self.layer = nn.InstanceNorm2d(8, affine=True), nn.LayerNorm((8, 6, 6))
        self.last, self.batch = nn.LayerNorm(6), nn.BatchNorm2d(8, track_running_stats=False)

    def forward(self, x):
        x = self.affine(self.instance(self.group(self.conv(x))))
        return self.last(self.layer(x)) + F.local_response_norm(x, 3) + F.rms_norm(x, (6,)), self.batch(x)


class Up(nn.Module):
    """A decoder: transposed convolution, resizing by all modes, padding by all modes."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1)
        self.groups = nn.ConvTranspose2d(4, 4, 2, stride=2, groups=2, bias=False)

    def forward(self, x):
        a = self.groups(self.up(x))
        a = F.interpolate(a, scale_factor=2) + F.interpolate(a, scale_factor=2, mode="bilinear")
        b = F.interpolate(x, size=a.shape[2:], mode="bilinear", align_corners=True)
        c = F.interpolate(x, size=(7, 9), mode="bicubic") + F.interpolate(x, size=(7, 9), mode="area")
        x = F.pad(F.pad(F.pad(x, (1, 2, 0, 1), "reflect"), (1, 1), "replicate"), (0, 1, 2, 0), value=3.0)
        return a + b, c, F.pad(x, (1, 1, 1, 1), "circular")


class Pools(nn.Module):
    def forward(self, x):
        large = F.max_pool2d(x, 3, 2, 1, ceil_mode=True), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        ceiling = F.avg_pool2d(x, 2, 2, ceil_mode=True), F.max_pool2d(x, 2, 2, ceil_mode=True)
        return (*large, *ceiling, F.adaptive_avg_pool2d(x, 3), F.adaptive_max_pool2d(x, (2, 5)),
                F.avg_pool2d(x, 3, 1, 1), F.lp_pool2d(x.abs(), 2, 2))


class Activations(nn.Module):
    def forward(self, x):
        functions = (F.relu, F.relu6, F.elu, F.selu, F.celu, F.leaky_relu, F.gelu, F.silu, F.mish, F.softplus,
                     F.softsign, F.hardswish, F.hardsigmoid, F.hardtanh, F.hardshrink, F.softshrink,
                     F.logsigmoid, F.tanhshrink, F.tanh, F.sigmoid)
        y = cnnkit.stack([function(x) for function in functions])
        return y.sum(0), F.softmax(x, 1), F.log_softmax(x, 1), F.gelu(x, approximate="tanh"), F.glu(x, 1)


class Unusual(nn.Module):
    """Ops without an operator of their own."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.mix = nn.Parameter(cnnkit.randn(8, 8))
        self.register_buffer("order", cnnkit.tensor([3, 1, 0]), persistent=False)

    def forward(self, x):
        x = F.gelu(self.conv(x))
        x = cnnkit.einsum("bchw,cd->bdhw", x, self.mix)
        x = x / x.norm(dim=1, keepdim=True)
        x = x[:, [0, 3, 5], 1:, ::2] + x[:, self.order][..., 1:, ::2]
        x = cnnkit.cat([x.flip(3), x.cumsum(2), x.roll(1, 2)], 1)
        left, right = x.chunk(2, 2)
        x = F.pixel_shuffle(F.pixel_unshuffle(x[:, :, :6, :4], 2), 2).std(dim=(2, 3)) + left.amax((2, 3))
        return x + cnnkit.logsumexp(right.flatten(2), 2) + cnnkit.zeros(x.shape[0], 1)


NETS = [(Guide, (1, 28, 28)), (Residual, (3, 8, 8)), (Norms, (3, 8, 8)), (Up, (4, 6, 5)), (Pools, (2, 7, 10)),
        (Activations, (4, 5, 3)), (Unusual, (3, 14, 9))]


@pytest.mark.parametrize(("net", "shape"), NETS, ids=[net.__name__ for net, _ in NETS])
def test_onnxruntime_gives_what_cnnkit_gives(net, shape):
    model = net()
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.copy_(cnnkit.tensor(abs(drawn(buffer.shape, 1)) + 0.5))
    check(model, drawn((2, *shape)))


@pytest.mark.parametrize("model", [
    models.CommonCNN((1, 12, 12)), models.CNN((3, 16, 16), classes=5, batch_norm=True, dropout=0.3),
    models.CNN((2, 9, 11), conv=[(4, 3), (8, 3)], activation="silu", pooling="avg", ceil_mode=True)],
    ids=["CommonCNN", "CNN", "CNN-silu"])
def test_models_of_cnnkit(model):
    check(model, drawn((2, *model.config["input_shape"])))


def test_one_and_three_axes():
    check(nn.Sequential(nn.Conv1d(2, 4, 3, stride=2), nn.BatchNorm1d(4), nn.MaxPool1d(2), nn.Flatten(),
                        nn.Linear(16, 3)), drawn((2, 2, 17)))
    check(nn.Sequential(nn.Conv3d(1, 2, 2, dilation=2), nn.AvgPool3d(2), nn.AdaptiveMaxPool3d(1)),
          drawn((2, 1, 6, 7, 8)))


def test_a_residual_network_has_the_nodes_of_its_picture():
    made = check(Residual(), drawn((1, 3, 8, 8)))
    assert operators(made) == {"Conv": 3, "BatchNormalization": 2, "Add": 2, "Relu": 2,
                               "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1}
    assert [node.name for node in made.graph.node] == [
        "stem", "blocks.0.conv1", "blocks.0.bn1", "blocks.0.add", "blocks.0",
        "blocks.1.conv1", "blocks.1.bn1", "blocks.1.add", "blocks.1", "pool", "reshape", "output"]
    assert made.opset_import[0].version == 17
    assert made.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert made.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_weights_have_the_names_and_values_of_the_state_dict():
    import onnx.numpy_helper

    model = Residual()
    made = cnnkit_onnx.export(model, drawn((1, 3, 8, 8)))
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    expected = {name: value for name, value in model.state_dict().items() if "num_batches" not in name}
    assert weights.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(weights[name], value.numpy())


def test_batch_norm_is_folded_on_request():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
                          nn.ConvTranspose2d(4, 2, 2), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1), nn.ReLU(),
                          nn.BatchNorm2d(2))
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.copy_(cnnkit.tensor(abs(drawn(buffer.shape, 1)) + 0.5))
    made = check(model, drawn((2, 3, 6, 6)), fold_batch_norm=True)
    assert operators(made) == {"Conv": 2, "ConvTranspose": 1, "Relu": 2, "BatchNormalization": 1}
    names = {tensor.name for tensor in made.graph.initializer}
    assert {"0.weight", "0.bias", "3.weight", "3.bias", "7.weight"} <= names
    assert "1.weight" not in names


def test_a_shared_layer_is_one_weight_and_two_nodes():
    layer = nn.Linear(4, 4)
    made = check(nn.Sequential(layer, nn.ReLU(), layer), drawn((2, 4)))
    assert [tensor.name for tensor in made.graph.initializer] == ["0.weight", "0.bias"]
    assert operators(made) == {"Gemm": 2, "Relu": 1}


class Several(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(7, 3)

    def forward(self, image, word):
        return {"joined": image.mean((2, 3)) + self.words(word), "parts": [image.sum(1), word * 2]}


def test_several_inputs_and_outputs_have_names():
    model, image, word = Several(), drawn((2, 3, 4, 4)), np.asarray([6, 0])
    made = cnnkit_onnx.export(model, (image, word), input_names=["image", "word"])
    session = runtime.InferenceSession(made.SerializeToString())
    assert [value.name for value in session.get_outputs()] == ["joined", "parts_0", "parts_1"]
    for n in (2, 3):
        given = {"image": np.resize(image, (n, 3, 4, 4)), "word": np.resize(word, n)}
        wanted = model(cnnkit.tensor(given["image"]), cnnkit.tensor(given["word"]))
        got = session.run(None, given)
        np.testing.assert_allclose(got[0], wanted["joined"].detach().numpy(), rtol=1e-5, atol=1e-6)
        assert got[2].tolist() == wanted["parts"][1].tolist()
    renamed = cnnkit_onnx.export(model, (image, word), output_names=["a", "b", "c"])
    assert [value.name for value in renamed.graph.output] == ["a", "b", "c"]
    for settings in ({"input_names": ["x"]}, {"output_names": ["a", "a", "b"]},
                     {"input_names": ["words.weight", "w"]}):
        with pytest.raises(ValueError, match=r"_names"):
            cnnkit_onnx.export(model, (image, word), **settings)


def test_height_and_width_may_vary_too():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
                          nn.AdaptiveAvgPool2d(1), nn.Flatten())
    made = cnnkit_onnx.export(model, drawn((1, 3, 16, 16)),
                              dynamic_axes={"input": {0: "batch", 2: "height", 3: "width"}})
    assert [d.dim_param for d in made.graph.input[0].type.tensor_type.shape.dim] == ["batch", "", "height",
                                                                                   "width"]
    x = drawn((3, 3, 21, 34))
    got, = runtime.InferenceSession(made.SerializeToString()).run(None, {"input": x})
    np.testing.assert_allclose(got, model(cnnkit.tensor(x)).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_a_fixed_batch_stays_one():
    made = check(Guide(), drawn((4, 1, 28, 28)), dynamic_batch=False)
    assert made.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4


class Reshaping(nn.Module):
    """Whatever a batch's size is used for."""

    def forward(self, x):
        n, c, h, w = x.shape
        a = x.view(n, -1)
        b = x.reshape(n * c, h, w).sum((1, 2)).reshape(n, c)
        d = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        e = cnnkit.zeros(n, 2).expand(n, 2) + cnnkit.ones(1, 1).expand(n, 1) * n
        return a, b, d, e, x.mean(0, keepdim=True).expand(n, c, h, w), x.sum() / n, x.flatten()


class Slicing(nn.Module):
    """Whatever an index can be."""

    def forward(self, x):
        return (x[:2] + x[-2:], x[0], x[-1], x[:, -1], x[:, 1:-1], x[..., None, 0], x[::2].sum(0),
                x[1:].sum(0), x[:, :, ::2], x[:, [2, 0]], x.flip(0))


def test_slices_are_those_of_the_batch_that_runs():
    check(Slicing(), drawn((2, 4, 3, 3)), batches=(2, 5))


def test_inputs_and_weights_may_be_outputs_and_twice():
    class Passing(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(cnnkit.ones(3))

        def forward(self, x):
            y = x * self.scale
            return x, y, y, self.scale, cnnkit.zeros(x.shape[0], 2), cnnkit.ones(3)

    check(Passing(), drawn((2, 3)))
    assert operators(check(nn.Identity(), drawn((2, 3)))) == {"Identity": 1}


def test_weight_norm_is_computed_in_the_graph():
    model = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
    made = check(nn.Sequential(model, nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 2, 1))),
                 drawn((2, 3, 5, 5)))
    names = {tensor.name for tensor in made.graph.initializer}
    assert "0.parametrizations.weight.original0" in names


def test_16_bits_are_16_bits():
    made = cnnkit_onnx.export(nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.GELU()).half(),
                              drawn((1, 3, 4, 4)).astype(np.float16))
    assert {tensor.data_type for tensor in made.graph.initializer if "constant" not in tensor.name} == {10}


def test_what_python_makes_of_the_batch_is_computed_in_the_graph():
    check(Reshaping(), drawn((2, 4, 3, 3)))


def test_float64_stays_float64():
    model = nn.Linear(3, 2).double()
    made = cnnkit_onnx.export(model, cnnkit.zeros(1, 3, dtype="float64"))
    x = np.random.default_rng(0).standard_normal((2, 3))
    got, = runtime.InferenceSession(made.SerializeToString()).run(None, {"input": x})
    np.testing.assert_allclose(got, model(cnnkit.tensor(x)).detach().numpy(), rtol=1e-12)


def test_the_model_is_as_before_also_after_an_error():
    class Failing(Residual):
        def forward(self, x):
            return super().forward(x) if self.fc.weight.shape[0] == 10 else 1 / 0

    model = Failing().train()
    before, arrays = random.get_state(), [p.array for p in model.parameters()]
    cnnkit_onnx.export(model, drawn((1, 3, 8, 8)))
    model.fc = nn.Linear(8, 3)
    arrays[-2:] = [p.array for p in model.fc.parameters()]
    now = random.get_state()
    with pytest.raises(ZeroDivisionError):
        cnnkit_onnx.export(model, drawn((1, 3, 8, 8)))
    assert all(p.array is array for p, array in zip(model.parameters(), arrays))
    assert all(module.training and not module._hooks for module in model.modules())
    assert random.get_state() == now != before
    assert backends.current().name == "numpy"


def test_the_file_is_the_model_and_has_what_was_learnt_from(tmp_path):
    import onnx

    model = models.CommonCNN((1, 8, 8), classes=2)
    model.input_format = data.InputFormat((1, 8, 8), 0.0, 1.0, classes=("cat", "dog"))
    path = tmp_path / "new" / "m.onnx"
    made = cnnkit_onnx.export(model, drawn((1, 1, 8, 8)), path, metadata={"author": "me"})
    assert onnx.load(path) == made
    metadata = {entry.key: entry.value for entry in made.metadata_props}
    assert metadata["author"] == "me"
    assert data.InputFormat.from_dict(json.loads(metadata["cnnkit.input_format"])) == model.input_format
    assert [file.name for file in path.parent.iterdir()] == ["m.onnx"]


def test_a_later_opset_is_declared_on_request():
    made = check(Residual(), drawn((1, 3, 8, 8)), opset=21)
    assert made.opset_import[0].version == 21
