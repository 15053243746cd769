"""Kernels of CuPy's and of one's own give on the software device what NumPy gives."""

import numpy as np
import pytest

TYPES = ["int8", "uint8", "int16", "int32", "int64", "uint64", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", TYPES)
def test_arithmetic_is_numpys(cupy, dtype):
    random = np.random.default_rng(0)
    x, y = (random.integers(1, 11, 300).astype(dtype) for _ in range(2))
    a, b = cupy.asarray(x), cupy.asarray(y)
    for function in (lambda u, v: u + v, lambda u, v: u - v, lambda u, v: u * v, lambda u, v: u // v,
                     lambda u, v: u % v, lambda u, v: u / v, lambda u, v: u < v):
        expected, result = function(x, y), function(a, b)
        assert result.dtype == expected.dtype
        np.testing.assert_allclose(result.get().astype(float), expected.astype(float), rtol=1e-3
                                   if dtype in ("float16", "int8", "uint8") else 1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["exp", "log", "sin", "cos", "tan", "tanh", "sqrt", "cbrt", "log1p", "expm1",
                                  "arctan", "arcsinh", "floor", "rint"])
def test_functions_are_numpys(cupy, name, dtype):
    x = np.concatenate([np.linspace(0.01, 30, 400), [1e5, 12345678.0]]).astype(dtype)
    with np.errstate(over="ignore"):
        expected = getattr(np, name)(x)
    np.testing.assert_allclose(getattr(cupy, name)(cupy.asarray(x)).get(), expected,
                               rtol=2e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("power", [0.5, 2.5, -1.25, 3])
def test_powers_call_a_function_of_the_device(cupy, power):
    x = np.linspace(0.01, 9, 100)
    np.testing.assert_allclose((cupy.asarray(x) ** cupy.full(100, power)).get(), x ** power, rtol=1e-14)


def test_casts_round_clamp_and_keep_signs(cupy):
    x = np.array([-3.75, -0.5, 0.5, 1.5, 2.5, 300.0], np.float32)
    for dtype in ("int8", "int32", "int64", "float16", "float64"):
        clipped = x[:5] if dtype == "int8" else x
        np.testing.assert_array_equal(cupy.asarray(clipped).astype(dtype).get(), clipped.astype(dtype))
    halves = np.array([1.0, 1.0009765625, 65504, 6e-8, np.inf], np.float32)
    np.testing.assert_array_equal(cupy.asarray(halves).astype("float16").get(), halves.astype("float16"))


def test_reductions_and_scans_are_numpys(cupy):
    x = np.random.default_rng(1).standard_normal((70, 45))
    a = cupy.asarray(x)
    for axis in (None, 0, 1):
        np.testing.assert_allclose(a.sum(axis=axis).get(), x.sum(axis=axis), rtol=1e-12)
        np.testing.assert_array_equal(a.argmax(axis=axis).get(), x.argmax(axis=axis))
    np.testing.assert_allclose(cupy.cumsum(a).get(), np.cumsum(x), rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_products_of_matrices_are_numpys(cupy, dtype):
    random = np.random.default_rng(2)
    x, y = random.standard_normal((3, 7, 20)).astype(dtype), random.standard_normal((3, 20, 5)).astype(dtype)
    a, b = cupy.asarray(x), cupy.asarray(y)
    close = {"rtol": 1e-2, "atol": 1e-2} if dtype == "float16" else {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose((a @ b).get(), x @ y, **close)
    np.testing.assert_allclose((a[0] @ b[0]).get(), x[0] @ y[0], **close)
    np.testing.assert_allclose((b[0].T @ a[0].T).get(), y[0].T @ x[0].T, **close)
    np.testing.assert_allclose((a[0] @ b[0, :, 0]).get(), x[0] @ y[0, :, 0], **close)
    np.testing.assert_allclose(cupy.vdot(a[0], a[0]).get(), np.vdot(x[0], x[0]), **close)


def test_sorts_are_numpys(cupy):
    x = np.random.default_rng(3).integers(0, 9, (4, 50)).astype("float32")
    x[1, 2] = np.nan
    a = cupy.asarray(x)
    np.testing.assert_array_equal(cupy.sort(a, axis=0).get(), np.sort(x, axis=0))
    np.testing.assert_array_equal(cupy.argsort(a, axis=1).get(), np.argsort(x, axis=1, kind="stable"))
    np.testing.assert_array_equal(cupy.lexsort(a[:, :30]).get(), np.lexsort(x[:, :30]))


WARP = r"""
extern "C" __global__ void of_a_warp(const int* x, int* y) {
    const int lane = threadIdx.x, all = 0xffffffff;
    int sum = x[lane];
    for (int by = 16; by; by >>= 1) sum += __shfl_xor_sync(all, sum, by);
    y[lane] = sum;
    y[32 + lane] = __shfl_up_sync(all, x[lane], 1);
    y[64 + lane] = __ballot_sync(all, x[lane] > 16);
    y[96 + lane] = __popc(__match_any_sync(all, x[lane] / 8));
    y[128 + lane] = __reduce_max_sync(all, x[lane]);
    if (lane < 8) y[160 + lane] = __shfl_sync(0xff, x[lane], 7 - lane);
}
"""


def test_lanes_of_a_warp_exchange_values(cupy):
    x = cupy.arange(32, dtype=cupy.int32)
    y = cupy.zeros(192, cupy.int32)
    cupy.RawKernel(WARP, "of_a_warp")((1,), (32,), (x, y))
    rows = y.get().reshape(6, 32)
    lane = np.arange(32)
    np.testing.assert_array_equal(rows[0], np.full(32, 496))
    np.testing.assert_array_equal(rows[1], np.maximum(lane - 1, 0))
    np.testing.assert_array_equal(rows[2].view(np.uint32), np.full(32, 0xfffe0000, np.uint32))
    np.testing.assert_array_equal(rows[3], np.full(32, 8))
    np.testing.assert_array_equal(rows[4], np.full(32, 31))
    np.testing.assert_array_equal(rows[5, :8], np.arange(7, -1, -1))


TENSOR_CORES = r"""
extern "C" __global__ void multiply(const unsigned* a, const unsigned* b, float* c) {  // 16 x 16 by 16 x 8
    const int lane = threadIdx.x, g = lane / 4, t = lane % 4;
    unsigned x[4] = {a[g * 8 + t], a[(g + 8) * 8 + t], a[g * 8 + t + 4], a[(g + 8) * 8 + t + 4]};
    unsigned y[2] = {b[g * 8 + t], b[g * 8 + t + 4]};
    float d[4] = {};
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};" : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
    for (int i = 0; i < 4; i++) c[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = d[i];
}
"""


def test_a_warp_multiplies_matrices(cupy):
    random = np.random.default_rng(4)
    a, b = (random.standard_normal(shape).astype("float16") for shape in ((16, 16), (16, 8)))
    c = cupy.zeros((16, 8), cupy.float32)
    multiply = cupy.RawKernel(TENSOR_CORES, "multiply")
    multiply((1,), (32,), (cupy.asarray(a), cupy.asarray(np.ascontiguousarray(b.T)), c))
    np.testing.assert_allclose(c.get(), a.astype("float32") @ b.astype("float32"), rtol=1e-5, atol=1e-5)


ATOMICS = r"""
extern "C" __global__ void count(int* counter, float* sum, unsigned* wrapped, unsigned long long* largest) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(counter, 1);
    atomicAdd(sum, 0.5f);
    atomicInc(wrapped, 9);
    atomicMax(largest, (unsigned long long)i);
    for (int old = *counter; old < 0;) old = atomicCAS(counter, old, 0);
}
"""


def test_atomic_operations_lose_nothing(cupy):
    counter, total = cupy.zeros(1, cupy.int32), cupy.zeros(1, cupy.float32)
    wrapped, largest = cupy.zeros(1, cupy.uint32), cupy.zeros(1, cupy.uint64)
    cupy.RawKernel(ATOMICS, "count")((4,), (96,), (counter, total, wrapped, largest))
    assert (counter.item(), total.item(), wrapped.item(), largest.item()) == (384, 192.0, 4, 383)


def test_threads_that_part_come_together_again(cupy):
    source = r"""
    extern "C" __global__ void collatz(const int* x, int* y) {
        __shared__ int most;
        if (threadIdx.x == 0) most = 0;
        __syncthreads();
        int n = x[threadIdx.x], steps = 0;
        while (n != 1) { n = n % 2 ? 3 * n + 1 : n / 2; steps++; if (steps > 1000) break; }
        atomicMax(&most, steps);
        __syncthreads();
        y[threadIdx.x] = most * 1000 + steps;
    }"""
    def steps(n):
        count = 0
        while n != 1:
            n, count = 3 * n + 1 if n % 2 else n // 2, count + 1
        return count
    expected = [steps(n) for n in range(1, 71)]
    y = cupy.zeros(70, cupy.int32)
    cupy.RawKernel(source, "collatz")((1,), (70,), (cupy.arange(1, 71, dtype=cupy.int32), y))
    np.testing.assert_array_equal(y.get(), np.array(expected) + 1000 * max(expected))
