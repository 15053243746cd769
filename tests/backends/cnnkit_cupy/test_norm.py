"""Batch-norm kernels: random shapes beside float64, sums in slices, stability, and a fused ReLU."""

import numpy as np
import pytest
from chains import chain
from cnnkit_cupy import norm
from cnnkit_cupy.launcher import contiguous
from cnnkit_cupy.norm import batch_norm_chain
from layouts import LAYOUTS, compare, laid_out

import cnnkit
from cnnkit import backends, functional, nn
from cnnkit.ops import OPS

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)
TRAINING = {"training": True, "momentum": 0.1, "eps": 1e-5}


def random_call(seed):
    """Arrays, attributes, dtype and the layouts of x and dy."""
    rng = np.random.default_rng(seed)

    def pick(*choices):
        return choices[rng.integers(len(choices))]
    dtype, C = pick("float32", "float32", "float16"), pick(1, 2, 3, 4, 8, 16, 33, 40, 136)
    shape = (pick(1, 2, 5), C, pick(1, 2, 7), pick(2, 3, 6))
    x = 3 * rng.standard_normal(shape) + rng.standard_normal((C, 1, 1))
    weight, bias, mean = (rng.standard_normal(C).astype(dtype) for _ in range(3))
    var = (0.5 + rng.random(C)).astype(dtype)
    if pick(False, False, True):
        weight = bias = None
    training = pick(True, True, False)
    if training and pick(False, True):
        mean = var = None
    return ([x.astype(dtype), weight, bias, mean, var], {**TRAINING, "training": training}, dtype,
            pick(*LAYOUTS[:5]), pick(*LAYOUTS))


@pytest.mark.parametrize("seed", range(40))
def test_random_settings_give_the_results_of_float64(seed, monkeypatch):
    arrays, attrs, dtype, layout, dy_layout = random_call(seed)
    monkeypatch.setattr(norm, "BLOCKS", (1024, 1)[seed % 2])
    monkeypatch.setattr(norm, "WHOLE", (2048, 0)[seed // 2 % 2])
    outputs, gradients = compare("batch_norm", arrays, [layout, *["plain"] * 4], attrs,
                                 dtype, dy_layout, scale=4)
    for array in (outputs[0], gradients[0]):
        assert contiguous(array, channels_last=True)


@pytest.mark.parametrize("layout", ["plain", "channels last"])
def test_many_slices_give_what_one_gives(layout):
    rng = np.random.default_rng(0)
    arrays = ([rng.standard_normal(shape).astype(np.float32) for shape in ((3, 8, 31, 27), 8, 8, 8)]
              + [np.ones(8, np.float32)])
    blocks = norm.Layout(arrays[0].shape, 4 if layout == "channels last" else 1)
    assert blocks.slices > 1
    assert (blocks.slices - 1) * blocks.pixels < 3 * 31 * 27 <= blocks.slices * blocks.pixels
    compare("batch_norm", arrays, [layout, *["plain"] * 4], TRAINING, "float32", layout)


@pytest.mark.parametrize(("shape", "lanes"), [((32, 64, 56, 56), 4), ((1, 1, 2, 1), 1),
                                              ((2, 2048, 1, 1), 8), ((9, 3, 32, 31), 1)])
def test_blocks_cover_every_pixel_and_channel_once(shape, lanes):
    layout, pixels = norm.Layout(shape, lanes), shape[0] * shape[2] * shape[3]
    assert (layout.slices - 1) * layout.pixels < pixels <= layout.slices * layout.pixels
    assert (layout.columns - 1) * layout.side * lanes < shape[1] <= layout.columns * layout.side * lanes
    assert 256 % layout.side == 0
    assert layout.slices * layout.columns <= max(norm.BLOCKS, layout.columns)


def test_the_variance_of_large_numbers_that_hardly_differ_is_right():
    x = (1e4 + np.random.default_rng(0).standard_normal((4, 4, 12, 11))).astype(np.float32)
    for layout in ("plain", "channels last"):
        compare("batch_norm", [x, None, None, np.zeros(4, np.float32), np.ones(4, np.float32)],
                [layout, *["plain"] * 4], TRAINING,
                "float32", scale=200)  # the mean itself has a relative precision of 2e-7, that is 2e-3 here


@pytest.mark.parametrize(("size", "per_pass"), [(20, 1), (50, 2)])
def test_a_pass_is_one_launch_for_few_pixels_and_two_for_many(size, per_pass, launches):
    with cnnkit.use("emulator"):
        layer, x = nn.BatchNorm2d(4), cnnkit.ones(2, 4, size, size, requires_grad=True)
        functional.relu(layer(x)).sum().backward()
    assert len(launches["norm"]) == 2 * per_pass


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layout", ["plain", "channels last"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_fused_relu_gives_the_bits_of_the_two_kernels(training, layout, dtype):
    rng, emulator = np.random.default_rng(0), backends.get("emulator")
    arrays = [laid_out(rng.standard_normal((3, 8, 5, 4)).astype(dtype), layout),
              *(emulator.asarray(rng.standard_normal(8).astype(dtype)) for _ in range(3)),
              emulator.asarray(np.ones(8, dtype))]
    attrs = {**TRAINING, "training": training}
    dy = laid_out(rng.standard_normal((3, 8, 5, 4)).astype(dtype), layout)
    needs = (True, True, True, False, False)
    with backends.use("emulator"):
        (y, *_), backward = batch_norm_chain(*arrays, needs=needs,
                                             calls=chain(("batch_norm", "relu"), (attrs, {})))
        (middle, *_), first = OPS["batch_norm"](*arrays, needs=needs, **attrs)
        (activation,), second = OPS["relu"](middle, needs=(True,))
        fused, separate = (y, *backward(dy)[:3]), (activation, *first(second(dy)[0], None, None)[:3])
    for a, b in zip(fused, separate):
        np.testing.assert_array_equal(emulator.to_numpy(a), emulator.to_numpy(b))


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("layouts", [("plain", "channels last"), ("channels last", "plain"),
                                     ("channels last", "some channels"),
                                     ("every second column", "broadcast")])
def test_an_addend_may_lie_otherwise_in_memory(layouts, relu):
    rng, emulator = np.random.default_rng(0), backends.get("emulator")
    x, addend = (laid_out(rng.standard_normal((3, 8, 5, 4)).astype(np.float32), layout) for layout in layouts)
    rest = [emulator.asarray(rng.random(8).astype(np.float32)) for _ in range(4)]
    names, needs = ("batch_norm", "add", "relu")[:2 + relu], (True, True, True, False, False, True)
    dy = laid_out(rng.standard_normal((3, 8, 5, 4)).astype(np.float32), layouts[1])
    with backends.use("emulator"):
        (y, *_), backward = batch_norm_chain(x, *rest, addend, needs=needs,
                                             calls=chain(names, (TRAINING, {}, {})[:len(names)]))
        (middle, *_), first = OPS["batch_norm"](x, *rest, needs=needs[:5], **TRAINING)
        expected = middle.host + addend.host
        through = np.where(expected > 0, dy.host, 0) if relu else dy.host
        gradients = [*first(emulator.asarray(through), None, None)[:3], emulator.asarray(through)]
    np.testing.assert_allclose(y.host, np.maximum(expected, 0) if relu else expected, atol=1e-6)
    for actual, wanted in zip([g for g in backward(dy) if g is not None], gradients, strict=True):
        np.testing.assert_allclose(actual.host, wanted.host, atol=2e-5)


@pytest.mark.parametrize("addend", [2.0, np.ones((3, 8, 1, 1), np.float32),
                                    np.ones((3, 8, 5, 4), np.float16)], ids=["number", "shape", "dtype"])
def test_other_addends_are_declined(addend):
    emulator = backends.get("emulator")
    x, *rest = (emulator.asarray(np.ones(shape, np.float32)) for shape in ((3, 8, 5, 4), 8, 8, 8, 8))
    addend = emulator.asarray(addend) if isinstance(addend, np.ndarray) else addend
    assert batch_norm_chain(x, *rest, addend, needs=(True,) * 6,
                            calls=chain(("batch_norm", "add"), (TRAINING, {}))) is NotImplemented


def test_a_model_whose_batch_norm_is_followed_by_a_relu_keeps_its_running_statistics():
    x, results = np.random.default_rng(0).standard_normal((4, 3, 5, 5)).astype(np.float32), {}
    for name in ("emulator", "numpy"):
        with cnnkit.use(name):
            class Model(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.norm = nn.BatchNorm2d(3)

                def forward(self, x):
                    return functional.relu(self.norm(x))
            model = Model()
            for _ in range(2):
                model(cnnkit.tensor(x)).sum().backward()
            results[name] = [model.norm.running_mean.numpy(), model.norm.running_var.numpy(),
                             model.norm.weight.grad.numpy()]
    for actual, expected in zip(results["emulator"], results["numpy"]):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_what_an_int_cannot_number_is_declined():
    xp = backends.get("emulator").namespace
    x = xp.broadcast_to(backends.get("emulator").asarray(np.zeros((1, 1, 1, 1), np.float32)),
                        (2**15, 1, 2**15, 1))
    assert norm.batch_norm(x, None, None, None, None, needs=(False,) * 5, **TRAINING) is NotImplemented


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("names", [("batch_norm",), ("batch_norm", "relu"), ("batch_norm", "add"),
                                   ("batch_norm", "add", "relu")], ids="+".join)
@pytest.mark.parametrize("pixels", ["few", "many"])
def test_parameters_of_float32_beside_sixteen_bits_lose_no_digits(dtype, names, pixels, monkeypatch,
                                                                  launches):
    """As `cnnkit.autocast` calls it; gradients of the parameters and statistics are those of float32."""
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    monkeypatch.setattr(norm, "WHOLE", 100)
    rng, emulator = np.random.default_rng(0), backends.get("emulator")
    size = (5, 4) if pixels == "few" else (19, 20)  # one slice, and two

    def image():
        host = rng.standard_normal((3, *size, 8)).astype(np.float32).astype(emulator.dtype(dtype))
        return emulator.namespace.permute_dims(emulator.asarray(host), (0, 3, 1, 2))
    x, dy, addend = image(), image(), image()
    rest = [emulator.asarray(rng.random(8).astype(np.float32)) for _ in range(4)]
    has_addend = "add" in names
    given = (x, *rest, *([addend] if has_addend else []))
    needs, settings = (True, True, True, False, False, True)[:len(given)], (TRAINING, {}, {})[:len(names)]
    with backends.use("emulator"):
        if len(names) == 1:
            (y, *moved), backward = OPS["batch_norm"](*given, needs=needs, **TRAINING)
        else:
            (y, *moved), backward = batch_norm_chain(*given, needs=needs, calls=chain(names, settings))
        gradients = backward(dy, None, None)
    exact = [emulator.to_numpy(a).astype(np.float64) for a in given]
    (right, *right_moved), back = OPS["batch_norm"].generic(*exact[:5], needs=needs[:5], **TRAINING)
    right = right + exact[5] if has_addend else right
    through = emulator.to_numpy(dy).astype(np.float64)
    if names[-1] == "relu":
        right, through = np.maximum(right, 0), np.where(right > 0, through, 0)
    right_gradients = [*back(through)[:3], *([through] if has_addend else [])]
    gradients = [g for g in gradients if g is not None]
    assert all(f"{x.dtype}" == f"{a.dtype}" for a in (y, gradients[0], *gradients[3:]))
    rounded = 2.0**-7 if dtype == "bfloat16" else 2.0**-10
    for actual, expected in ((y, right), (gradients[0], right_gradients[0]),
                             *zip(gradients[3:], right_gradients[3:], strict=True)):
        np.testing.assert_allclose(emulator.to_numpy(actual).astype(np.float64), expected, rtol=rounded,
                                   atol=rounded)
    for actual, expected in zip((*moved, *gradients[1:3]), (*right_moved, *right_gradients[1:3]),
                                strict=True):
        assert backends.dtype_name(actual.dtype) == "float32"
        np.testing.assert_allclose(emulator.to_numpy(actual), expected, rtol=2e-5, atol=2e-5)
    assert len(launches["norm"]) == (2 if pixels == "few" else 4)
    assert all(name.endswith("8, float>") for name, _ in launches["norm"])


@pytest.mark.parametrize(("image", "dtypes"), [("float32", ("float16",) * 4), ("float16", ("bfloat16",) * 4),
                                               ("float16", ("float32", "float32", "float16", "float16"))])
def test_parameters_of_other_dtypes_are_declined(image, dtypes):
    pytest.importorskip("ml_dtypes")
    emulator = backends.get("emulator")
    x, *rest = (emulator.asarray(np.ones(shape, np.float32), dtype)
                for shape, dtype in zip(((3, 8, 5, 4), 8, 8, 8, 8), (image, *dtypes)))
    assert norm.batch_norm(x, *rest, needs=(True,) * 3 + (False,) * 2, **TRAINING) is NotImplemented
