"""Tensor cores and asynchronous copies of the shipped primitives, as NVRTC compiles them, beside float64."""

import cnnkit_softcuda
import numpy as np
import pytest
from tensor_cores import COPIED, NAMES, SOURCE, TYPES, X, matrices

import cnnkit
from cnnkit import functional


@pytest.fixture
def kernel(cupy):
    """A kernel by its name."""
    return cupy.RawModule(code=SOURCE, options=("-std=c++17",), name_expressions=NAMES).get_function


@pytest.mark.parametrize("how", ["true", "false"], ids=["ldmatrix", "words"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_warp_multiplies_as_float64_does(cupy, kernel, dtype, how):
    kind = pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else np.dtype(dtype).type
    a, b, expected = matrices(dtype, kind)
    bits = np.uint32 if dtype == "float32" else np.uint16
    c = cupy.empty((16, 16), cupy.float32)
    kernel(f"product<{TYPES[dtype]}, {how}>")((1,), (32,), (*(cupy.asarray(m.view(bits)) for m in (a, b)), c))
    np.testing.assert_allclose(c.get(), expected, rtol=3e-7, atol=3e-7)


def test_ldmatrix_gives_the_words_of_the_manuals_figure(cupy, kernel):
    x = np.arange(256, dtype=np.uint16).reshape(4, 8, 8)
    straight, turned = cupy.empty((4, 32), cupy.uint32), cupy.empty((4, 32), cupy.uint32)
    kernel("matrices")((1,), (32,), (cupy.asarray(x), straight, turned))
    np.testing.assert_array_equal(straight.get().view(np.uint16).reshape(4, 8, 8), x)
    np.testing.assert_array_equal(turned.get().view(np.uint16).reshape(4, 8, 8), x.transpose(0, 2, 1))


@pytest.mark.parametrize("open_groups", [0, 1])
def test_copies_are_there_once_their_group_has_been_waited_for(cupy, kernel, open_groups):
    y = cupy.empty((64, 4), cupy.float32)
    with cnnkit_softcuda.watched():
        kernel("copies")((1,), (32,), (cupy.asarray(X), y, *map(np.int32, (open_groups, 0, 0))))
    np.testing.assert_array_equal(y.get(), COPIED)


def test_copies_that_were_not_waited_for_are_nan(cupy, kernel):
    y = cupy.empty((64, 4), cupy.float32)
    kernel("copies")((1,), (32,), (cupy.asarray(X), y, *map(np.int32, (2, 0, 0))))
    assert np.isnan(y.get()[:32]).any()


def test_a_convolution_of_float32_is_multiplied_as_tf32_where_that_is_chosen(cupy):
    def rounded(array):
        return ((array.view(np.uint32) + 0x1000) & 0xFFFFE000).view(np.float32)
    random = np.random.default_rng(0)
    shapes = (2, 16, 9, 8), (40, 16, 3, 3)
    x, weight = (random.standard_normal(shape).astype(np.float32) for shape in shapes)
    expected = functional.conv2d(cnnkit.tensor(rounded(x)), cnnkit.tensor(rounded(weight))).numpy()
    with cnnkit.use("cupy"), cnnkit.precision("tf32"):
        y = functional.conv2d(cnnkit.tensor(x), cnnkit.tensor(weight)).numpy()
    np.testing.assert_allclose(y, expected, rtol=2e-5, atol=5e-5)
    exact = functional.conv2d(cnnkit.tensor(x), cnnkit.tensor(weight)).numpy()
    assert np.abs(y - exact).max() > 1e-4


@pytest.mark.parametrize("level", ["tf32", "tf32x3"])
def test_its_filters_gradient_is_too(cupy, level):
    def rounded(array):
        return ((array.view(np.uint32) + 0x1000) & 0xFFFFE000).view(np.float32)
    random = np.random.default_rng(0)
    shapes = (2, 16, 9, 8), (80, 16, 3, 3), (2, 80, 7, 6)
    x, weight, dy = (random.standard_normal(shape).astype(np.float32) for shape in shapes)
    x[0, 3, 2, 2], dy[1, 2, 1, 1] = np.inf, np.uint32(0x7FFFFFFF).view(np.float32)  # a GPU's NaN

    def gradient(x, dy):
        w = cnnkit.tensor(weight, requires_grad=True)
        functional.conv2d(cnnkit.tensor(x), w).backward(cnnkit.tensor(dy))
        return w.grad.numpy()
    with np.errstate(invalid="ignore"):
        exact = gradient(x, dy)
        expected = gradient(rounded(x), np.where(np.isnan(dy), dy, rounded(dy))) if level == "tf32" else exact
    with cnnkit.use("cupy"), cnnkit.precision(level):
        result = gradient(x, dy)
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=1e-4)
    assert np.isinf(exact).any()
    assert np.isnan(exact).any()
    finite = np.isfinite(exact)
    assert (np.abs(result[finite] - exact[finite]).max() > 1e-3) == (level == "tf32")
