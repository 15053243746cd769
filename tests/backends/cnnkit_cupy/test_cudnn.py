"""The table ``cudnn``: graphs for cuDNN's frontend, run by a strict fake of it; never anybody's default."""

import sys

import fake_cudnn
import numpy as np
import pytest
from cnnkit_cupy import cudnn as table

import cnnkit
from cnnkit import backends, nn
from cnnkit import functional as F


@pytest.fixture
def cudnn(cupy, monkeypatch):
    monkeypatch.setitem(sys.modules, "cudnn", fake_cudnn.make())
    monkeypatch.setattr(table, "_graphs", {})
    monkeypatch.setattr(table, "_handles", {})
    monkeypatch.setattr(fake_cudnn, "REFUSED", set())
    table.available.cache_clear()
    backends.get("cupy").__dict__.pop("_resolved", None)
    fake_cudnn.CALLS.clear()
    yield fake_cudnn
    table.available.cache_clear()
    backends.get("cupy").__dict__.pop("_resolved", None)


@pytest.mark.parametrize(("groups", "settings"), [
    (1, {}), (1, {"stride": 2, "padding": 1}), (2, {"padding": (2, 0)}), (4, {"dilation": 2, "padding": 2})])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_outputs_and_gradients_are_those_of_numpy(cudnn, groups, settings, dtype):
    rng = np.random.default_rng(0)
    shapes = (2, 4, 7, 6), (8, 4 // groups, 3, 3), (8,)
    host = [rng.integers(-3, 4, shape).astype(dtype) for shape in shapes]
    results = []
    for name in ("numpy", "cudnn"):
        with cnnkit.use(name):
            tensors = [cnnkit.tensor(a, requires_grad=True) for a in host]
            y = F.conv2d(*tensors, groups=groups, **settings)
            y.sum().backward()
            results.append([y.detach().numpy(), *(t.grad.numpy() for t in tensors)])
    for expected, got in zip(*results):
        np.testing.assert_allclose(got, expected, rtol=1e-3)
    assert [call[1] for call in cudnn.CALLS if call[0] == "execute"] == ["conv_fprop", "conv_dgrad",
                                                                        "conv_wgrad"]


def test_a_graph_is_built_once_for_its_layouts(cudnn):
    with cnnkit.use("cudnn"), cnnkit.no_grad():
        layer = nn.Conv2d(4, 4, 3)
        for size in (5, 5, 6, 5):
            layer(cnnkit.ones(1, 4, size, size))
    assert [call[0] for call in cudnn.CALLS].count("build") == 2
    assert [call[0] for call in cudnn.CALLS].count("execute") == 4


def test_it_is_nobodys_default(cudnn):
    with cnnkit.use("cupy"), cnnkit.no_grad():
        assert "cudnn" not in [t.name for t in backends.get("cupy").serving()]
        nn.Conv2d(4, 4, 3)(cnnkit.ones(1, 4, 5, 5))
    assert not cudnn.CALLS


def test_what_it_does_not_support_is_declined_with_its_words(cudnn):
    cudnn.REFUSED.add("conv_fprop")
    with cnnkit.use("cudnn"), cnnkit.no_grad():
        explanation = cnnkit.explain(nn.Conv2d(4, 4, 3), cnnkit.ones(1, 4, 5, 5))
        double = cnnkit.explain(nn.Conv2d(4, 4, 3).double(), cnnkit.ones(1, 4, 5, 5, dtype="float64"))
    assert explanation.rows[0].declined[0].reason == "cuDNN does not support it: no engine"
    assert double.rows[0].declined[0].reason == "float64; cuDNN's table serves float32, float16, bfloat16"


@pytest.mark.usefixtures("cupy")
def test_without_the_frontend_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(table.importlib.util, "find_spec", lambda name: None)
    table.available.cache_clear()
    assert table.available() == ("nvidia-cudnn-frontend is not installed "
                                 "(pip install nvidia-cudnn-frontend nvidia-cudnn-cu13)")
    table.available.cache_clear()


def test_a_library_that_cannot_be_loaded_is_named(cudnn, monkeypatch):
    def broken():
        raise OSError("libcudnn.so.9: not found")
    monkeypatch.setattr(sys.modules["cudnn"], "backend_version", broken)
    table.available.cache_clear()
    assert table.available().startswith("cuDNN could not be loaded: libcudnn.so.9: not found (pip install")
