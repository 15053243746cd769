"""The counters, on kernels of mostly 32 threads whose sectors and bank conflicts can be counted by hand."""

import numpy as np
import pytest

from cnnkit import backends

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)

SOURCE = """
#line 1 "counted.cu"
template <int columns> struct Tile { float of[32][columns]; };

__global__ void copy(const float* x, float* y, int step, int offset) {
    y[threadIdx.x] = x[threadIdx.x * step + offset];
}
__global__ void spread(const float* x, float* y, int step, int offset) {
    y[threadIdx.x * step + offset] = x[threadIdx.x];
}
__global__ void copy4(const float* x, float* y, int step, int offset) {
    const float4* source = reinterpret_cast<const float4*>(x + (4 * threadIdx.x) * step + offset);
    *reinterpret_cast<float4*>(y + 4 * threadIdx.x) = *source;
}
template <int columns> __global__ void transpose(const float* x, float* y, int, int) {
    SHARED(Tile<columns>, tile);
    for (int i = 0; i < 32; i++) tile.of[i][threadIdx.x] = x[32 * i + threadIdx.x];
    __syncwarp();
    for (int i = 0; i < 32; i++) y[32 * i + threadIdx.x] = tile.of[threadIdx.x][i];
}
template <class T> __global__ void through_shared(const float* x, float* y, int step, int) {
    SHARED(Tile<256>, tile);
    T* of = reinterpret_cast<T*>(&tile);
    of[threadIdx.x * step] = T();
    __syncwarp();
    T mine = of[threadIdx.x * step];
    y[threadIdx.x] = *reinterpret_cast<float*>(&mine) + x[0];
}
__global__ void twice(const float* x, float* y, int, int) {
    y[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = 2 * x[threadIdx.x];
}
// lanes skip turns, and meet again behind the barrier
__global__ void some_lanes(const float* x, float* y, int step, int) {
    for (int i = 0; i < 4; i++) {
        if (threadIdx.x >= 8 * i) y[32 * i + threadIdx.x] = x[32 * i + threadIdx.x];
        __syncwarp();
        __syncthreads();
    }
}
__global__ void local(const float* x, float* y, int, int) {
    volatile float mine[8];
    for (int i = 0; i < 8; i++) mine[i] = i;
    y[threadIdx.x] = mine[threadIdx.x % 8];
}
"""
NAMES = ("copy", "spread", "copy4", "transpose<32>", "transpose<33>", "through_shared<float>",
         "through_shared<float2>", "through_shared<float4>", "twice", "some_lanes", "local")
X = np.arange(4096, dtype=np.float32)


def count(name, step=1, offset=0, size=32, threads=32):
    from cnnkit_emulator.device import counted

    backend = backends.get("emulator")
    y = backend.cuda.empty((size,), "float32")
    with counted() as launches:
        backend.cuda.run(SOURCE, NAMES, name, (1, 1, 1), (threads, 1, 1),
                         [backend.asarray(X), y, np.int32(step), np.int32(offset)],
                         [False, True, False, False])
    return launches[0]


@pytest.mark.parametrize(("name", "step", "offset", "sectors", "least"), [
    ("copy", 1, 0, 4, 4), ("copy", 2, 0, 8, 4), ("copy", 1, 1, 5, 4),
    ("copy", 0, 0, 1, 1), ("copy", 32, 0, 32, 4),
    ("copy4", 1, 0, 16, 16), ("copy4", 2, 0, 32, 16), ("copy4", 1, 4, 17, 16)])
def test_sectors_of_a_warps_load(name, step, offset, sectors, least):
    counts = count(name, step, offset, 128)
    load = [site for site in counts.sites if not site.writes]
    assert [(s.requests, s.size, s.bytes, s.actual, s.least) for s in load] == [
        (1, 16 if name == "copy4" else 4, 512 if name == "copy4" else 128, sectors, least)]
    assert counts.loads == sectors / least
    assert counts.sectors_per_request == sectors
    assert load[0].line == ("counted.cu:11" if name == "copy4" else "counted.cu:4")


def test_sectors_of_a_store_and_bytes_written():
    assert count("spread", 2, 0, 64).stores == 2
    assert count("spread", 1, 1, 64).stores == 5 / 4
    assert count("spread", 2, 0, 64).written == 0.5
    assert count("copy").written == 1
    assert count("twice").written == 2


def test_a_column_of_a_tile_without_padding_is_a_conflict_of_32():
    unpadded, padded = count("transpose<32>", size=1024), count("transpose<33>", size=1024)
    assert (unpadded.shared_stores, unpadded.shared_loads) == (1, 32)
    assert (padded.shared_stores, padded.shared_loads) == (1, 1)
    assert padded.loads == padded.stores == padded.written == 1


@pytest.mark.parametrize(("kind", "step", "passes", "least"), [
    ("float", 1, 1, 1), ("float", 2, 2, 1), ("float", 0, 1, 1), ("float", 4, 4, 1),
    ("float2", 1, 2, 2), ("float2", 2, 4, 2), ("float2", 16, 32, 2),
    ("float4", 1, 4, 4), ("float4", 2, 8, 4), ("float4", 8, 32, 4)])
def test_wide_accesses_are_served_by_halves_and_quarters_of_a_warp(kind, step, passes, least):
    load, = (s for s in count(f"through_shared<{kind}>", step).sites if s.shared and not s.writes)
    assert (load.actual, load.least) == (passes, least)


def test_lanes_that_skip_turns_meet_again_behind_a_barrier():
    store, = (s for s in count("some_lanes", size=128).sites if s.writes)
    assert (store.requests, store.actual, store.least) == (4, 4 + 3 + 2 + 1, 4 + 3 + 2 + 1)


def test_each_warp_makes_requests_of_its_own():
    load, = (s for s in count("copy", size=96, threads=96).sites if not s.writes)
    assert (load.requests, load.actual) == (3, 12)


def test_a_threads_own_variables_do_not_count():
    counts = count("local")
    assert [s.writes for s in counts.sites] == [True]
    assert counts.loads is None
