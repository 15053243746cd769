"""The emulator finds faults that a GPU would not report: each kernel here has one, beside a correct one."""

import numpy as np
import pytest

from cnnkit import backends

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)

SCHEDULES = [("in order", 0), ("reversed", 0), ("skewed", 1), ("skewed", 2)]
COUNT = 96

SOURCE = """
#line 1 "faults.cu"
struct Line { float values[96]; };

__global__ void turn(const float* x, float* y, int n) {  // each half block writes, the other half reads
    SHARED(Line, line);
    int i = threadIdx.x;
    line.values[i] = x[i];
    __syncthreads();
    y[i] = line.values[n - 1 - i];
}
__global__ void turn_without_barrier(const float* x, float* y, int n) {
    SHARED(Line, line);
    int i = threadIdx.x;
    line.values[i] = x[i];
    y[i] = line.values[n - 1 - i];
}
__global__ void unwritten(const float* x, float* y, int n) {
    SHARED(Line, line);
    int i = threadIdx.x;
    if (i) line.values[i] = x[i];
    __syncthreads();
    y[i] = line.values[n - 1 - i];
}
__global__ void early_exit(const float* x, float* y, int n) {
    if (threadIdx.x >= n - 3) return;
    __syncthreads();
    y[threadIdx.x] = x[threadIdx.x];
}
__global__ void divergent(const float* x, float* y, int n) {
    if (threadIdx.x < n / 2)
        __syncthreads();
    else
        __syncthreads();
    y[threadIdx.x] = x[threadIdx.x];
}
__global__ void half_a_warp(const float* x, float* y, int n) {
    if (threadIdx.x % 32 < 16) __syncwarp();
    y[threadIdx.x] = x[threadIdx.x];
}
__global__ void beyond(const float* x, float* y, int n) { y[threadIdx.x + 1] = x[threadIdx.x]; }
__global__ void before(const float* x, float* y, int n) { y[int(threadIdx.x) - 2] = x[threadIdx.x]; }
__global__ void into_input(const float* x, float* y, int n) { const_cast<float*>(x)[threadIdx.x] = 0; }
__global__ void reads_beyond(const float* x, float* y, int n) { y[threadIdx.x] = x[threadIdx.x + 1]; }
__global__ void forgets_one(const float* x, float* y, int n) {
    if (threadIdx.x) y[threadIdx.x] = x[threadIdx.x];
}
__global__ void beyond_shared(const float* x, float* y, int n) {
    SHARED(Line, line);
    line.values[threadIdx.x + 1] = x[threadIdx.x];
}
__global__ void absent_lane(const float* x, float* y, int n) {
    if (threadIdx.x % 32 < 16) y[threadIdx.x] = __shfl_sync(0xFFFFu, x[threadIdx.x], 20);
}
__global__ void sums(const float* x, float* y, int n) {  // each warp's sum, by shuffles
    float sum = x[threadIdx.x];
    for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, step);
    y[threadIdx.x] = __shfl_sync(0xFFFFFFFFu, sum, 0);
}
__global__ void neighbours(const float* x, float* y, int n) {
    float right = __shfl_down_sync(0xFFFFFFFFu, __ldg(x + threadIdx.x), 1);
    __syncwarp();
    y[threadIdx.x] = right - __shfl_up_sync(0xFFFFFFFFu, x[threadIdx.x], 1);
}
__global__ void whole_block(const float* x, float* y, int n) {
    for (int i = threadIdx.x; i < 128; i += n) y[i] = x[i];
}
__global__ void halves(const float* x, float* y, int n) {
    y[threadIdx.x] = __half2float(__float2half(x[threadIdx.x]));
}
"""
NAMES = tuple(line.split("void ")[1].split("(")[0] for line in SOURCE.splitlines()
              if line.startswith("__global__"))
X = np.arange(1, COUNT + 1, dtype=np.float32)


def launch(name, x=X, schedule=("in order", 0)):
    from cnnkit_emulator import device

    backend = backends.get("emulator")
    y = backend.cuda.empty(x.shape, "float32", None)
    with device.schedule(*schedule):
        backend.cuda.run(SOURCE, NAMES, name, (1, 1, 1), (COUNT, 1, 1),
                         [backend.asarray(x), y, np.int32(COUNT)], [False, True, False])
    return backend.to_numpy(y)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_kernel_that_is_right_gives_the_same_under_every_schedule(schedule):
    np.testing.assert_array_equal(launch("turn", schedule=schedule), X[::-1])
    np.testing.assert_array_equal(launch("sums", schedule=schedule), np.repeat(X.reshape(-1, 32).sum(1), 32))
    right, left = np.roll(X.reshape(-1, 32), -1, 1), np.roll(X.reshape(-1, 32), 1, 1)
    right[:, -1], left[:, 0] = X.reshape(-1, 32)[:, -1], X.reshape(-1, 32)[:, 0]
    np.testing.assert_array_equal(launch("neighbours", schedule=schedule), (right - left).reshape(-1))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_missing_barrier_leaves_nan_of_unwritten_shared_memory(schedule):
    assert np.isnan(launch("turn_without_barrier", schedule=schedule)).any()


def test_shared_memory_that_nobody_wrote_is_nan():
    assert np.flatnonzero(np.isnan(launch("unwritten"))).tolist() == [COUNT - 1]


def test_an_output_that_a_kernel_forgets_is_nan():
    assert np.flatnonzero(np.isnan(launch("forgets_one"))).tolist() == [0]


def test_a_read_beyond_an_array_is_nan():
    assert np.flatnonzero(np.isnan(launch("reads_beyond"))).tolist() == [COUNT - 1]


@pytest.mark.parametrize(("name", "message"), [
    ("early_exit",
     r"early exit: 3 of 96 threads of block \(0, 0, 0\) \(thread \(93, 0, 0\) first\).*faults.cu:25"),
    ("divergent", r"divergent barrier: thread \(\d+, 0, 0\).*faults.cu:3[02].*faults.cu:3[02]"),
    ("half_a_warp", r"divergent warp barrier: thread \(0, 0, 0\).*faults.cu:36"),
    ("beyond", "argument 1, an array of shape .96,.: the kernel wrote out of bounds, 0 bytes behind its end"),
    ("before", "argument 1.*out of bounds, 8 bytes before its start"),
    # the input's poison over that of the output
    ("whole_block", "argument 1.*out of bounds, 0 bytes behind its end"),
    ("into_input", "argument 0.*wrote into an input"),
    ("beyond_shared", r"outside the shared memory declared at faults.cu:47: at byte 384 of 384"),
    ("absent_lane", r"reads lane 20 at faults.cu:51, which takes no part"),
])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_fault_is_named_with_its_place(name, message, schedule):
    from cnnkit_emulator.device import KernelFault

    with pytest.raises(KernelFault, match=message):
        launch(name, schedule=schedule)


def test_float16_rounds_as_numpy_does():
    bits = np.random.default_rng(0).integers(0, 2**32, 40 * COUNT, dtype=np.uint32)
    # where halves are: normals, denormals, infinity
    bits[::2] = bits[::2] % 0x12000000 + 0x32000000 | bits[::2] & 0x80000000
    with np.errstate(all="ignore"):
        for x in bits.view(np.float32).reshape(40, COUNT):
            np.testing.assert_array_equal(launch("halves", x), x.astype(np.float16).astype(np.float32))


def test_denormals_are_zero_as_on_cupy_and_numpy_keeps_its_own():
    tiny = np.full(COUNT, 1e-40, np.float32)
    assert (launch("sums", tiny) == 0).all()
    assert (tiny / 2 > 0).all()


def test_an_argument_of_a_wrong_size_is_refused():
    from cnnkit_emulator.device import KernelFault

    cuda, x = backends.get("emulator").cuda, backends.get("emulator").asarray(X)
    with pytest.raises(KernelFault, match="argument 2 has 8 bytes, and the kernel takes 4"):
        cuda.run(SOURCE, NAMES, "turn", (1, 1, 1), (COUNT, 1, 1),
                 [x, x, np.int64(COUNT)], [False, True, False])


def test_a_compile_error_shows_the_line_of_the_source():
    from cnnkit_emulator.build import CompileError, build

    with pytest.raises(CompileError, match=r"broken.cu:2.*no_such_name"):
        build('#line 1 "broken.cu"\n__global__ void broken(float* y) {\n    '
              'y[0] = no_such_name; }\n', ("broken",))
