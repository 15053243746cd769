"""CUDA features for plug-ins' kernels: plain and dynamic shared memory, atomics, votes, shuffles, vectors."""

import numpy as np
import pytest

from cnnkit import backends

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)

SOURCE = """
#line 1 "any.cu"
template <class T> __global__ void plain(const float* x, T* y) {
    __shared__ T tile[2][32];
    __shared__ int last;
    int i = threadIdx.x;
    tile[i / 32][i % 32] = static_cast<T>(x[i]);
    if (i == 63) last = 63;
    __syncthreads();
    y[64 * blockIdx.x + i] = tile[(last - i) / 32][(last - i) % 32];
}
__global__ void plain_unwritten(const float* x, float* y) {
    __shared__ float line[64];
    if (threadIdx.x) line[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[64 * blockIdx.x + threadIdx.x] = line[threadIdx.x];
}
__global__ void plain_race(const float* x, float* y) {
    __shared__ float line[64];
    line[threadIdx.x] = x[threadIdx.x];
    y[64 * blockIdx.x + threadIdx.x] = line[(threadIdx.x + 1) % 64];
}
__global__ void dynamic(const float* x, float* y) {
    extern __shared__ float of[];
    of[63 - threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[64 * blockIdx.x + threadIdx.x] = of[threadIdx.x];
}
__global__ void histogram(const float* x, float* y) {
    atomicAdd(y + int(x[threadIdx.x]) % 4, 1.0f);
    atomicMax(reinterpret_cast<int*>(y) + 4, int(threadIdx.x));
    atomicMin(reinterpret_cast<int*>(y) + 5, int(threadIdx.x) + 1);
    atomicCAS(reinterpret_cast<int*>(y) + 6, 0, 7);
    atomicOr(reinterpret_cast<unsigned*>(y) + 7, 1u << threadIdx.x % 32);
}
__global__ void half_atomic(const float* x, float* y) { if (threadIdx.x) atomicAdd(y, 1.0f); else y[0] = 3; }
__global__ void votes(const float* x, float* y) {
    unsigned odd = __ballot_sync(0xFFFFFFFFu, threadIdx.x % 2);
    bool any = __any_sync(0xFFFFFFFFu, threadIdx.x == 40), all = __all_sync(0xFFFFFFFFu, threadIdx.x >= 32);
    int count = __syncthreads_count(threadIdx.x < 5);
    y[64 * blockIdx.x + threadIdx.x] = __popc(odd) + 100 * any + 200 * all + 1000 * count;
}
__global__ void shuffles(const float* x, float* y) {
    long long wide = __shfl_down_sync(0xFFFFFFFFu, (1LL << 40) + threadIdx.x, 3, 8);
    double right = __shfl_up_sync(0xFFFFFFFFu, double(threadIdx.x), 2u, 16);
    unsigned char small = __shfl_xor_sync(0xFFFFFFFFu, static_cast<unsigned char>(threadIdx.x), 1);
    float same = __shfl_sync(0xFFFFFFFFu, float(threadIdx.x % 4), 33, 4) - 1;
    y[64 * blockIdx.x + threadIdx.x] = float(wide - (1LL << 40)) + 100 * float(right) + 10000 * small + same;
}
__global__ void arithmetic(const float* x, float* y) {
    float4 v = make_float4(1, 2, 3, 4);
    int2 i = make_int2(5, __clz(1));
    uchar4 b = {1, 2, 3, 255};
    float sum = fmaf(v.x, v.y, v.z) + rsqrtf(v.w) + __expf(0) + i.x + i.y + b.w;
    y[64 * blockIdx.x + threadIdx.x] = sum + __ldg(x) + __umulhi(1u << 31, 4) + max(2, 3);
}
"""
NAMES = ("plain<float>", "plain<double>", "plain_unwritten", "plain_race", "dynamic", "histogram",
         "half_atomic", "votes", "shuffles", "arithmetic")
X, I = np.arange(64, dtype=np.float32), np.arange(64)


def launch(name, dtype="float32", start=None, dynamic=0):
    backend = backends.get("emulator")
    y = backend.cuda.empty((128,), dtype) if start is None else backend.asarray(start)
    backend.cuda.run(SOURCE, NAMES, name, (2, 1, 1), (64, 1, 1), [backend.asarray(X), y],
                     [False, True], dynamic)
    return backend.to_numpy(y)


@pytest.mark.parametrize("watched", [False, True], ids=["plain", "watched"])
@pytest.mark.parametrize(("name", "expected", "options"), [
    ("plain<float>", X[::-1], {}),
    ("plain<double>", X[::-1], {"dtype": "float64"}), ("dynamic", X[::-1], {"dynamic": 256}),
    ("votes", 16 + 100 * (I >= 32) + 200 * (I >= 32) + 5000, {}),
    ("shuffles", np.where(I % 8 < 5, I + 3, I) + 100 * np.where(I % 16 >= 2, I - 2, I) + 10000 * (I ^ 1), {}),
    ("arithmetic", np.full(64, 5 + 0.5 + 1 + 5 + 31 + 255 + 0 + 2 + 3), {})])
def test_it_computes_what_cuda_says(name, expected, options, watched):
    from cnnkit_emulator.device import traced

    if watched:
        with traced():
            result = launch(name, **options)
    else:
        result = launch(name, **options)
    np.testing.assert_array_equal(result, np.tile(expected, 2))


def test_atomics_take_part_in_no_race_among_themselves():
    from cnnkit_emulator.device import KernelFault, traced

    start = np.zeros(8, np.float32)
    with traced():
        result = launch("histogram", start=start)
        np.testing.assert_array_equal(result[:4], 32)
        assert result.view(np.int32)[4:].tolist() == [63, 0, 7, -1]
        with pytest.raises(KernelFault, match="race"):
            launch("half_atomic", start=start)


def test_plain_shared_memory_is_nan_at_first_and_watched():
    from cnnkit_emulator.device import KernelFault, traced

    assert np.flatnonzero(np.isnan(launch("plain_unwritten"))).tolist() == [0, 64]
    with traced("races"):
        with pytest.raises(KernelFault, match=r"reads shared memory at any.cu:14 that nobody has written"):
            launch("plain_unwritten")
        with pytest.raises(KernelFault, match=r"shared memory at any.cu:19"):
            launch("plain_race")


def test_dynamic_shared_memory_has_the_size_that_the_launch_asks_for():
    from cnnkit_emulator.device import KernelFault

    with pytest.raises(KernelFault,
                       match=r"outside the shared memory declared at the launch: at byte 252 of 252"):
        launch("dynamic", dynamic=252)
