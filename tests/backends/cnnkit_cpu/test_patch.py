"""Convolution and pooling by patches: shapes at the edges, NaN and infinity, against NumPy in float64."""

import cnnkit_cpu
import numpy as np
import pytest

import cnnkit
from cnnkit import backends, nn

# images, channels, height, width, filters, kernel, padding, groups: vectors end within rows, maps and runs,
# and maps within vectors
SHAPES = [(1, 1, 4, 4, 1, 3, 0, 1), (3, 1, 28, 28, 8, 3, 1, 1),
          (5, 8, 16, 16, 16, 3, 1, 1), (2, 3, 9, 37, 5, 3, 2, 1),
          (2, 6, 11, 6, 4, 5, 2, 2), (2, 5, 35, 7, 7, 5, 5, 1),
          (20, 2, 7, 8, 3, 3, 1, 1), (1, 4, 2, 2, 6, 3, 1, 2),
          (2, 24, 9, 10, 33, 5, 2, 1), (3, 31, 8, 5, 6, 3, 0, 1), (1, 4, 3, 40, 2, 3, 2, 1)]


@pytest.fixture(params=("avx512", "avx2", "generic"), autouse=True)
def forced(request):
    if request.param not in cnnkit_cpu.isas():
        pytest.skip(f"no kernels for {request.param}: not built (CNNKIT_ISAS=all), or no such processor")
    cnnkit_cpu.force(request.param)
    yield
    cnnkit_cpu.force(None)


def network(shape, pool, relu=True):
    _, C, _, _, K, k, padding, groups = shape
    cnnkit.random.seed(3)
    return nn.Sequential(nn.Conv2d(C, K, k, padding=padding, groups=groups), *[nn.ReLU()] * relu, pool(2))


def results(table, shape, pool, relu, x, dy, threads=1):
    """The output, and the gradients of image, filters and bias."""
    before = backends.get_num_threads()
    dtype = np.float64 if table == "numpy" else np.float32
    with cnnkit.use(table):
        backends.set_num_threads(threads)
        try:
            net = network(shape, pool, relu)
            net.to(dtype="float64" if table == "numpy" else "float32")
            image = cnnkit.tensor(x.astype(dtype), requires_grad=True)
            y = net(image)
            y.backward(cnnkit.tensor(dy[:y.numel()].reshape(y.shape).astype(dtype)))
            return [y.numpy(), image.grad.numpy(), *(p.grad.numpy() for p in net.parameters())]
        finally:
            backends.set_num_threads(before)


def draws(shape):
    rng = np.random.default_rng(4)
    return rng.standard_normal(shape[:4], dtype=np.float32), rng.standard_normal(1 << 16, dtype=np.float32)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AvgPool2d])
@pytest.mark.parametrize("shape", SHAPES)
def test_patches_compute_what_numpy_does_in_float64(shape, pool, relu):
    x, dy = draws(shape)
    expected = results("numpy", shape, pool, relu, x, dy)
    by_one_thread, by_two_threads = (results("cpu", shape, pool, relu, x, dy, threads) for threads in (1, 2))
    for exact, got, repeated in zip(expected, by_one_thread, by_two_threads):
        np.testing.assert_allclose(got, exact, rtol=1e-4, atol=1e-5 * max(1, np.abs(exact).max()))
        np.testing.assert_array_equal(got, repeated)


@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AvgPool2d])
@pytest.mark.parametrize("value", [np.inf, np.nan, 1e30])
def test_a_wild_number_spoils_no_more_than_it_must(value, pool):
    shape = SHAPES[2]
    x, dy = draws(shape)
    calm = results("cpu", shape, pool, True, x, dy)
    x[1, 2, 5, 7] = value
    wild = results("cpu", shape, pool, True, x, dy)
    with np.errstate(all="ignore"):
        expected = results("numpy", shape, pool, True, x, dy)
    np.testing.assert_array_equal(np.isfinite(wild[0]), np.isfinite(expected[0]))
    for n in (0, 2, 3, 4):  # the other images
        np.testing.assert_array_equal(wild[0][n], calm[0][n])
        np.testing.assert_array_equal(wild[1][n], calm[1][n])


def test_a_wild_gradient_reaches_its_own_patch_only():
    shape = SHAPES[2]
    x, dy = draws(shape)
    dy[0] = np.inf  # image 0, filter 0, place 0: pixels 0 to 2 of rows 0 to 2 at most
    _, dx, _, _ = results("cpu", shape, nn.MaxPool2d, False, x, dy)
    assert not np.isfinite(dx[0, :, :3, :3]).all()
    assert np.isfinite(dx[0, :, 3:, :]).all()
    assert np.isfinite(dx[0, :, :, 3:]).all()
    assert np.isfinite(dx[1:]).all()
