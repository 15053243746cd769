"""The access tracer: faults behind correct results, and the shipped kernels, in which it finds none."""

import numpy as np
import pytest
from cnnkit_cupy import kernels, launcher

from cnnkit import backends, conformance
from cnnkit.conformance.checks.comparing import forward_and_back
from cnnkit.conformance.expected import expected

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)
kernels.kernels("emulator")  # fills the table

SOURCE = """
#line 1 "races.cu"
struct Line { float values[64]; };

__global__ void through_shared(const float* x, float* y) {
    SHARED(Line, line);
    int i = threadIdx.x;
    line.values[i] = x[i];
    __syncthreads();
    y[64 * blockIdx.x + i] = line.values[63 - i];
}
__global__ void through_a_warp(const float* x, float* y) {
    SHARED(Line, line);
    int i = threadIdx.x;
    line.values[i] = x[i];
    __syncwarp();
    y[64 * blockIdx.x + i] = line.values[i ^ 1];
}
__global__ void both_blocks_write(const float* x, float* y) {
    for (int i = threadIdx.x; i < 128; i += 64) y[i] = x[i % 64];
}
__global__ void every_thread_writes(const float* x, float* y) {
    y[64 * blockIdx.x + threadIdx.x] = x[threadIdx.x];
    y[64 * blockIdx.x] = x[0];
}
__global__ void overwrites_early(const float* x, float* y) {
    SHARED(Line, line);
    int i = threadIdx.x;
    line.values[i] = x[i];
    __syncthreads();
    y[64 * blockIdx.x + i] = line.values[(i + 63) % 64];
    line.values[i] = 0;
}
__global__ void reads_beyond(const float* x, float* y) {
    y[64 * blockIdx.x + threadIdx.x] = x[threadIdx.x + 1] * 0 + 1;
}
__global__ void unwritten(const float* x, float* y) {
    SHARED(Line, line);
    y[64 * blockIdx.x + threadIdx.x] = line.values[threadIdx.x] > 0 ? 1 : 2;
}
__device__ void add_up(float* y) {
    y[96 + threadIdx.x] = 0;
    for (int i = 0; i < 96; i++) y[96 + threadIdx.x] += y[i];
}
__device__ bool last(float* y, bool give, bool take) {
    SHARED(int, count);
    if (give) __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) count = atomicAdd(reinterpret_cast<int*>(y + 127), 1);
    __syncthreads();
    if (take) __threadfence();
    return count == 1;
}
__global__ void the_last_adds_up(const float* x, float* y) {
    if (threadIdx.x < 48) y[48 * blockIdx.x + threadIdx.x] = x[threadIdx.x];
    if (last(y, true, true) && threadIdx.x < 16) add_up(y);
}
__global__ void without_a_fence_before(const float* x, float* y) {
    if (threadIdx.x < 48) y[48 * blockIdx.x + threadIdx.x] = x[threadIdx.x];
    if (last(y, false, true) && threadIdx.x < 16) add_up(y);
}
__global__ void without_a_fence_behind(const float* x, float* y) {
    if (threadIdx.x < 48) y[48 * blockIdx.x + threadIdx.x] = x[threadIdx.x];
    if (last(y, true, false) && threadIdx.x < 16) add_up(y);
}
__global__ void writes_when_it_was_counted(const float* x, float* y) {
    const bool adds = last(y, true, true);
    __syncthreads();
    if (threadIdx.x < 48) y[48 * blockIdx.x + threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    if (adds && threadIdx.x < 16) add_up(y);
}
"""
NAMES = tuple(line.split("void ")[1].split("(")[0] for line in SOURCE.splitlines()
              if line.startswith("__global__"))
X = np.arange(64, dtype=np.float32)


def launch(name):
    from cnnkit_emulator.device import traced

    backend = backends.get("emulator")
    y = backend.cuda.empty((128,), "float32", None)
    y.host[127] = 0
    with traced():
        backend.cuda.run(SOURCE, NAMES, name, (2, 1, 1), (64, 1, 1), [backend.asarray(X), y], [False, True])
    return backend.to_numpy(y)


def test_kernels_without_races_run_as_they_do_untraced():
    np.testing.assert_array_equal(launch("through_shared"), np.tile(X[::-1], 2))
    np.testing.assert_array_equal(launch("through_a_warp"), np.tile(X.reshape(-1, 2)[:, ::-1].reshape(-1), 2))


def test_the_block_that_comes_last_may_read_what_the_others_wrote():
    np.testing.assert_array_equal(launch("the_last_adds_up")[96:112], 2 * X[:48].sum())


@pytest.mark.parametrize(("name", "message"), [
    *[(name, r"race: thread 0 of block 1 reads an array at races.cu:\d+, byte 0, "
             r"which thread 0 of block 0 writes")
      for name in ("without_a_fence_before", "without_a_fence_behind", "writes_when_it_was_counted")],
    ("both_blocks_write",
     r"race: thread 0 of block 1 writes an array at races.cu:18, byte 0, which thread 0 of block 0 writes"),
    ("every_thread_writes",
     r"race: thread 1 of block 0 writes an array at races.cu:22, byte 0, which thread 0 of block 0 writes"),
    ("overwrites_early", r"race: thread \d+ of block 0 (reads|writes) "
     r"shared memory at races.cu:(29|30), .* with no barrier between"),
    ("reads_beyond", r"thread 63 of block 0 reads out of bounds at races.cu:33, byte 256 of 256"),
    ("unwritten", r"thread 0 of block 0 reads shared memory at races.cu:37 that nobody has written"),
])
def test_a_fault_is_named_with_its_line(name, message):
    from cnnkit_emulator.device import KernelFault

    with pytest.raises(KernelFault, match=message):
        launch(name)


@pytest.mark.parametrize("op", ["conv", "cross_entropy", "batch_norm"])
def test_the_shipped_kernels_have_no_race(op, monkeypatch, only_on_request):
    from cnnkit_emulator.device import traced

    def floats(module):  # fewer instances compile faster
        return tuple(k.name for k in launcher.KERNELS.values() if k.module == module and "half" not in k.name)

    monkeypatch.setattr(launcher, "instances", floats)
    target = conformance.Target("emulator")
    with target.entered(), traced():
        for case in conformance.CASES:
            if case.op == op:
                forward_and_back(case, target, expected(case, "float32"), "float32")
