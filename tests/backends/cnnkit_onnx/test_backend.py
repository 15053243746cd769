"""The ONNX backend: constants have values, arguments have none, and who asks for one is told the line."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import cnnkit
from cnnkit import backends

HERE = importlib.util.find_spec("ndonnx") is not None
needs_ndonnx = pytest.mark.skipif(not HERE, reason="ndonnx is not installed")


def test_it_is_listed_with_the_reason_where_a_package_is_missing(monkeypatch):
    from cnnkit_onnx import backend

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "spox" else found(name))
    assert "spox" in str(backend.available()) if HERE else backend.available() is not True
    assert "pip install 'cnnkit[onnx]'" in backend.available()
    monkeypatch.setitem(backends.plugins.backends, "onnx", backend)
    row, = [row for row in backends.list() if row.name == "onnx"]
    assert (row.available, row.reason) == (False, backend.available())


def test_to_list_the_backends_imports_no_onnx():
    code = "import sys, cnnkit; cnnkit.backends.list(); print(*{'onnx', 'ndonnx', 'spox'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@needs_ndonnx
def test_constants_have_values_and_compute():
    with cnnkit.use("onnx"):
        x = cnnkit.tensor([[1.0, -2.0]])
        assert (x.backend, x.dtype, x.shape) == ("onnx", cnnkit.float32, (1, 2))
        assert cnnkit.relu(x).tolist() == [[1.0, 0.0]]
        assert x.to("numpy").tolist() == [[1.0, -2.0]]


@needs_ndonnx
def test_a_value_of_an_argument_is_refused_with_the_line_that_asks():
    backend = backends.get("onnx")
    x = cnnkit.Tensor(backend.argument((2,), "float32"))
    with pytest.raises(RuntimeError, match=r"test_backend\.py, line \d+, in test_a_value.*cnnkit\.where"):
        assert x.sum() > 0


@needs_ndonnx
def test_elements_are_assigned_and_put():
    with cnnkit.use("onnx"):
        x = cnnkit.zeros(2, 3)
        x[:, 1] = 5.0
        x[0, [0, 2]] = cnnkit.tensor([7.0, 8.0])
        assert x.tolist() == [[7.0, 5.0, 8.0], [0.0, 5.0, 0.0]]


@needs_ndonnx
def test_the_namespace_has_what_ndonnx_lacks():
    backend = backends.get("onnx")
    xp = backend.namespace
    x, y = np.asarray([1.0, -1.0, 0.0, 0.0, 2.0, -2.0]), np.asarray([1.0, -1.0, 1.0, -1.0, 0.0, 0.0])
    x, y = x.astype(np.float32), y.astype(np.float32)
    angles = backend.to_numpy(xp.atan2(backend.asarray(x), backend.asarray(y)))
    np.testing.assert_allclose(angles, np.arctan2(x, y), rtol=1e-6)
    signs = backend.asarray(np.asarray([[1.0, -2.0, 3.0, 0.5, -1.0]]))
    assert backend.to_numpy(xp.cumulative_prod(signs, axis=1)).tolist() == [[1.0, -2.0, -6.0, -3.0, 3.0]]
    assert backend.to_numpy(xp.any(signs > 2, axis=1)).tolist() == [True]
    assert backend.to_numpy(xp.all(signs > 2)).tolist() is False


@needs_ndonnx
def test_gradients_are_those_of_the_generic_bodies():
    with cnnkit.use("onnx"):
        x = cnnkit.tensor([[1.0, -2.0, 3.0]], requires_grad=True)
        cnnkit.nn.functional.leaky_relu(x, 0.5).sum().backward()
        assert x.grad.tolist() == [[1.0, 0.5, 1.0]]
