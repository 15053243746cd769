"""Misaligned accesses, indices beyond a type, accesses beside arrays, by kernels with correct results."""

import numpy as np
import pytest

from cnnkit import backends

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)

SOURCE = """
#line 1 "careless.cu"
struct Tile { float rows[4][8]; float last[8]; };

__global__ void vectors(const float* x, float* y, int from) {
    float4 four = *reinterpret_cast<const float4*>(x + from + 4 * threadIdx.x);
    *reinterpret_cast<float4*>(y + 4 * threadIdx.x) = four;
}
__global__ void pairs(const float* x, float* y, int from) {
    float2 two = make_float2(x[2 * threadIdx.x], x[2 * threadIdx.x + 1]);
    reinterpret_cast<float2*>(y + from)[threadIdx.x] = two;
}
__global__ void tile(const float* x, float* y, int beyond) {
    SHARED(Tile, tile);
    for (int i = threadIdx.x; i < 32; i += 8) tile.rows[0][i + beyond] = x[i];
    tile.last[threadIdx.x] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < 32; i += 8) y[i] = tile.rows[i / 8][i % 8];
}
__global__ void trailing(const float* x, float* y, int beyond) {
    SHARED(Tile, tile);
    tile.rows[threadIdx.x % 4][threadIdx.x] = 0;
    tile.last[threadIdx.x + beyond] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = tile.last[threadIdx.x + beyond];
}
__global__ void far(const float* x, float* y, int by) {
    y[threadIdx.x] = x[int(threadIdx.x) + by] == -1 ? 7 : x[threadIdx.x];
}
__global__ void input(const float* x, float* y, int by) {
    const_cast<float*>(x)[threadIdx.x] = y[threadIdx.x] = x[threadIdx.x];
}
__global__ void nowhere(const float* x, float* y, int by) {
    y[threadIdx.x] = *reinterpret_cast<const float*>(size_t(by));
}
__global__ void by_zero(const float* x, float* y, int by) { y[threadIdx.x] = 8 / by; }
__global__ void deep(const float* x, float* y, int n) {
    volatile float room[40000];
    for (int i = 0; i < 40000; i++) room[i] = x[i % 8];
    y[threadIdx.x] = room[n];
}
"""
NAMES = tuple(line.split("void ")[1].split("(")[0] for line in SOURCE.splitlines()
              if line.startswith("__global__"))
X = np.arange(36, dtype=np.float32)


def launch(name, by, *checks):
    from cnnkit_emulator.device import traced

    backend = backends.get("emulator")
    y = backend.cuda.empty((33,), "float32")
    with traced(*checks):
        backend.cuda.run(SOURCE, NAMES, name, (1, 1, 1), (8, 1, 1), [backend.asarray(X), y, np.int32(by)],
                         [False, True, False])
    return backend.to_numpy(y)


@pytest.mark.parametrize(("name", "count"), [("vectors", 32), ("pairs", 16), ("trailing", 8), ("far", 8)])
def test_a_careful_kernel_runs_as_it_does_unwatched(name, count):
    np.testing.assert_array_equal(launch(name, 0)[:count], X[:count])


@pytest.mark.parametrize(("name", "by", "what", "message"), [
    ("vectors", 1, "alignment",
     r"misaligned: thread 0 of block 0 .*float4.* careless.cu:4, .* of 16 bytes, and lies 4 behind one"),
    ("pairs", 1, "alignment",
     r"misaligned: thread 0 of block 0 .*float2.* careless.cu:9, .* multiple of 8 bytes"),
    ("tile", 0, "bounds",
     r"out of bounds: thread 0 of block 0 takes element 8 of 'float \[8\]' at careless.cu:13"),
    ("trailing", 1, "bounds",
     r"out of bounds: thread 7 of block 0 takes element 8 of 'float \[8\]' at careless.cu:21"),
    ("far", 1000, "bounds",
     r"thread 0 of block 0 reads out of bounds at careless.cu:26, byte 4000 of 144 of argument 0"),
    ("far", -9, "bounds",
     r"thread 0 of block 0 reads out of bounds at careless.cu:26, byte -36 of 144 of argument 0"),
    ("input", 0, "races", r"thread 0 of block 0 writes into an input, argument 0, at careless.cu:29"),
    ("nowhere", 4096, "races", r"thread 0 of block 0 accesses memory that is not there at careless.cu:32"),
    ("by_zero", 0, "races", r"thread 0 of block 0 divides an integer by zero at careless.cu:34"),
    ("deep", 7, "races", r"thread 0 of block 0 accesses memory that is not there"),
])
def test_a_fault_is_named_with_its_line(name, by, what, message):
    from cnnkit_emulator.device import KernelFault

    with pytest.raises(KernelFault, match=message):
        launch(name, by, what)


def test_a_crash_of_a_build_without_lines_says_how_to_get_one():
    from cnnkit_emulator.device import KernelFault

    y, backend = backends.get("emulator").cuda.empty((33,), "float32"), backends.get("emulator")
    with pytest.raises(KernelFault,
                       match=r"memory that is not there at \+0x[0-9a-f]+ \(traced\(\) has the line\)"):
        backend.cuda.run(SOURCE, NAMES, "nowhere", (1, 1, 1), (8, 1, 1),
                         [backend.asarray(X), y, np.int32(4096)], [False, True, False])


def test_each_kind_is_watched_only_when_asked():
    np.testing.assert_array_equal(launch("vectors", 1, "races")[:32], X[1:33])
    np.testing.assert_array_equal(launch("tile", 0, "alignment")[:32], X[:32])
    with pytest.raises(ValueError, match="'speed' cannot be watched; there are races, alignment, bounds"):
        launch("vectors", 0, "speed")


def test_a_view_has_the_alignment_that_it_would_have_on_a_gpu():
    from cnnkit_emulator.device import KernelFault, traced

    backend = backends.get("emulator")
    array, y = backend.asarray(np.arange(64, dtype=np.float32)), backend.cuda.empty((32,), "float32")
    with traced("alignment"):
        for first in range(0, 8):
            def run(view=array[first:]):
                backend.cuda.run(SOURCE, NAMES, "vectors", (1, 1, 1), (8, 1, 1),
                                 [view, y, np.int32(0)], [False, True, False])
            if first % 4:
                with pytest.raises(KernelFault, match="misaligned"):
                    run()
            else:
                run()
