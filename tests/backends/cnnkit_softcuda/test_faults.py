"""Mistakes in kernels and in host code are reported, with the thread and the instruction."""

import cnnkit_softcuda
import numpy as np
import pytest


def launch(cupy, body, *arrays, grid=1, block=64, name="faulty", **settings):
    parameters = ", ".join(f"float* {letter}" for letter in "xyzw"[:len(arrays)])
    source = f'extern "C" __global__ void {name}({parameters}) {{ const int i = threadIdx.x; {body} }}'
    cupy.RawKernel(source, name)((grid,), (block,), arrays, **settings)
    cupy.cuda.Device().synchronize()


@pytest.fixture
def error(cupy):
    return cupy.cuda.driver.CUDADriverError


@pytest.fixture
def arrays(cupy):
    with cnnkit_softcuda.exact_allocations():
        yield cupy.zeros(64, cupy.float32), cupy.zeros(64, cupy.float32)


def test_the_kernel_without_a_mistake_passes(cupy, arrays):
    with cnnkit_softcuda.watched():
        launch(cupy, "__shared__ float s[64]; s[i] = x[i]; __syncthreads(); y[i] = s[63 - i];", *arrays)


@pytest.mark.parametrize("body", ["y[i + 1] = x[i];", "y[i] = x[i - 1];", "y[i] = x[i] + x[1 << 28];"])
def test_an_access_beside_an_array_is_an_illegal_address(cupy, arrays, error, body):
    with pytest.raises(error, match=r"IllegalAddress.*faulty: thread \(\d+, 0, 0\) of block \(0, 0, 0\) "
                                    r"(reads|writes) 4 bytes .*line \d+ of its PTX, `(ld|st)\.global"):
        launch(cupy, body, *arrays)


def test_the_message_says_how_far_beside_which_array(cupy, arrays, error):
    with pytest.raises(error, match=r"thread \(63, 0, 0\).* from the end of an allocation of 256 bytes"):
        launch(cupy, "y[i + 1] = x[i];", *arrays)


def test_a_null_pointer_is_called_so(cupy, arrays, error):
    with pytest.raises(error, match="a null pointer"):
        launch(cupy, "y[i] = x[i];", arrays[0], 0)


def test_memory_that_was_freed_is_called_so(cupy, error):
    with cnnkit_softcuda.exact_allocations():
        x = cupy.zeros(64, cupy.float32)
        pointer = x.data.ptr
        del x
        with pytest.raises(error, match="IllegalAddress"):
            launch(cupy, "((float*)y)[i] = 1;", pointer, pointer)


def test_a_misaligned_access_is_one(cupy, arrays, error):
    with pytest.raises(error, match=r"MisalignedAddress.* writes 8 bytes .* not a multiple of 8"):
        launch(cupy, "*(float2*)(y + 1 + 2 * (i / 32)) = make_float2(1, 2);", *arrays)


def test_an_access_beyond_shared_memory_is_an_illegal_address(cupy, arrays, error):
    with pytest.raises(error, match=r"shared memory at 256, and there are 256"):
        launch(cupy, "__shared__ float s[64]; s[i + (int)x[0] + 1] = 1; y[i] = s[i];", *arrays)


def test_a_missing_barrier_is_a_race(cupy, arrays, error):
    body = "__shared__ float s[64]; s[i] = x[i]; y[i] = s[63 - i];"
    with cnnkit_softcuda.watched(), pytest.raises(error, match=r"shared memory, which (nobody|thread)"):
        launch(cupy, body, *arrays)


def test_a_barrier_that_comes_too_late_is_a_race(cupy, arrays, error):
    body = ("__shared__ float s[64]; s[i] = 0; __syncthreads(); s[i] = x[i]; y[i] = s[63 - i]; "
            "__syncthreads();")
    with cnnkit_softcuda.watched(), pytest.raises(error, match=r"is in a race.* with no barrier between"):
        launch(cupy, body, *arrays)


def test_blocks_that_write_one_place_are_in_a_race(cupy, arrays, error):
    with cnnkit_softcuda.watched(), pytest.raises(error, match="of another block writes"):
        launch(cupy, "y[i] = x[i];", *arrays, grid=2)
    with cnnkit_softcuda.watched():
        launch(cupy, "atomicAdd(y + i, x[i]);", *arrays, grid=2)


LAST = """
    __shared__ int count;
    if (i < 48) y[48 * blockIdx.x + i] = x[i];
    BEFORE
    __syncthreads();
    if (i == 0) count = atomicAdd((int*)y + 127, 1);
    __syncthreads();
    BEHIND
    if (count == 1 && i < 16) { float sum = 0; for (int k = 0; k < 96; k++) sum += y[k]; y[96 + i] = sum; }
"""


def test_the_block_that_comes_last_reads_what_the_others_wrote_behind_two_fences(cupy, error):
    fence = "__threadfence();"
    x, y = cupy.ones(64, cupy.float32), cupy.zeros(128, cupy.float32)
    with cnnkit_softcuda.watched():
        launch(cupy, LAST.replace("BEFORE", fence).replace("BEHIND", fence), x, y, grid=2)
    assert (y[96:112] == 96).all()
    for before, behind in (("", fence), (fence, ""), ("__threadfence_block();", fence)):
        y[:] = 0
        with cnnkit_softcuda.watched(), pytest.raises(error, match="of another block writes"):
            launch(cupy, LAST.replace("BEFORE", before).replace("BEHIND", behind), x, y, grid=2)


def test_shared_memory_that_nobody_wrote_is_reported(cupy, arrays, error):
    with cnnkit_softcuda.watched(), pytest.raises(error, match="which nobody has written"):
        launch(cupy, "__shared__ float s[64]; if (i) s[i] = 1; __syncthreads(); y[i] = s[63 - i];", *arrays)


def test_a_barrier_that_some_threads_do_not_reach_is_reported(cupy, arrays, error):
    with pytest.raises(error, match=r"a block waits for ever: .*bar\.sync"):
        launch(cupy, "if (i < 40) __syncthreads(); else y[i] = 1; y[i] = x[i];", *arrays)


def test_a_failed_assertion_stops_the_kernel(cupy, arrays, error):
    with pytest.raises(error, match="LaunchFailure"):
        launch(cupy, "if (i == 3) __trap(); y[i] = x[i];", *arrays)


def test_the_device_goes_on_after_a_fault(cupy, arrays, error):
    with pytest.raises(error):
        launch(cupy, "y[i + 1] = x[i];", *arrays)
    launch(cupy, "y[i] = 7;", *arrays)
    assert (arrays[1] == 7).all()


def test_a_block_that_is_too_large_or_wants_too_much_is_refused(cupy, arrays, error):
    with pytest.raises(error, match="2048"):
        launch(cupy, "y[i] = 1;", *arrays, block=2048)
    with pytest.raises(error, match="shared memory a block"):
        launch(cupy, "y[i] = 1;", *arrays, shared_mem=60000)


def test_a_copy_beyond_an_allocation_is_refused(cupy, arrays):
    host = np.zeros(100, np.float32)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match=r"400 bytes, .* an allocation of 256"):
        arrays[0].data.copy_from_host(host.ctypes.data, host.nbytes)


def test_an_instruction_that_the_device_lacks_is_named(cupy, arrays, error):
    with pytest.raises(error, match=r"line \d+ of its PTX, `bar\.arrive .*: a barrier"):
        launch(cupy, 'asm volatile("bar.arrive 1, 64;"); y[i] = x[i];', *arrays)
