"""Streams that run late, events, copies, graphs, and several devices: a wait that is missing shows."""

import contextlib
import inspect
import types

import cnnkit_softcuda
import numpy as np
import pytest
from cnnkit_cupy import upload

ADD_ONE = 'extern "C" __global__ void add_one(float* x) { x[threadIdx.x] += 1; }'
WAITS = {"for the copy": "stream.wait_event(copied)\n",  # the three of an upload
         "for the computation": "self._stream.wait_event(stream.record())\n",
         "for the buffer": "buffer.copied.synchronize()\n"}


@pytest.fixture
def add_one(cupy):
    return cupy.RawKernel(ADD_ONE, "add_one")


def test_a_late_stream_runs_when_somebody_waits(cupy, add_one):
    x = cupy.zeros(32, cupy.float32)
    host = cupy.cuda.alloc_pinned_memory(128)
    result = np.frombuffer(host, np.float32, 32)
    with cnnkit_softcuda.streams("late"):
        stream = cupy.cuda.Stream(non_blocking=True)
        result[...] = -1
        with stream:
            add_one((1,), (32,), (x,))
            x.data.copy_to_host_async(result.ctypes.data, 128, stream)
        assert not stream.done
        assert (result == -1).all() or (result == 1).all()
        stream.synchronize()
        assert stream.done
        assert (result == 1).all()


def test_asking_a_late_stream_again_and_again_gets_to_its_end(cupy, add_one):
    x = cupy.zeros(32, cupy.float32)
    with cnnkit_softcuda.streams("late"), cupy.cuda.Stream(non_blocking=True) as stream:
        for _ in range(20):
            add_one((1,), (32,), (x,))
        asked = 0
        while not stream.done:
            asked += 1
            assert asked <= 100
        assert asked > 10


@pytest.mark.parametrize("waits", [True, False])
def test_a_copy_that_is_not_waited_for_has_not_arrived(cupy, waits):
    host = cupy.cuda.alloc_pinned_memory(128)
    staged = np.frombuffer(host, np.float32, 32)
    staged[...] = 5
    with cnnkit_softcuda.streams("late"):
        x = cupy.zeros(32, cupy.float32)
        cupy.cuda.Device().synchronize()
        stream = cupy.cuda.Stream(non_blocking=True)
        x.data.copy_from_host_async(staged.ctypes.data, 128, stream)
        if waits:
            stream.synchronize()
        staged[...] = 6  # too early where nobody waited
        stream.synchronize()
        assert float(x[0]) == (5 if waits else 6)


def test_events_order_streams_and_tell_times(cupy, add_one):
    x = cupy.zeros(32, cupy.float32)
    cupy.cuda.Device().synchronize()
    with cnnkit_softcuda.streams("late"):
        first, second = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
        started, ended = cupy.cuda.Event(), cupy.cuda.Event()
        with first:
            started.record()
            add_one((1,), (32,), (x,))
            ended.record()
        second.wait_event(ended)
        with second:
            y = x * 2
        second.synchronize()
        assert ended.done
        assert cupy.cuda.get_elapsed_time(started, ended) >= 0
        assert y.get()[0] == 2


def uploads_are_right(cupy, uploader):
    images = np.random.default_rng(0).standard_normal((24, 4, 3, 8, 8)).astype(np.float32)
    with cupy.cuda.Stream(non_blocking=True):
        totals = []
        for batch in images:
            arrived = uploader.upload(batch)()
            totals.append((arrived * 2).sum(axis=(1, 2, 3)))
            del arrived
        return all(np.allclose(total.get(), 2 * batch.sum(axis=(1, 2, 3)), rtol=1e-3, atol=1e-3)
                   for total, batch in zip(totals, images))


@pytest.mark.parametrize("kind", ["eager", "late", "random"])
def test_uploads_are_right_whenever_streams_run(cupy, kind):
    with cnnkit_softcuda.streams(kind):
        assert uploads_are_right(cupy, upload.Uploader(cupy.cuda.Device(0)))


@pytest.mark.parametrize("missing", WAITS)
def test_an_upload_without_one_of_its_waits_is_wrong(cupy, missing):
    source, wait = inspect.getsource(upload), WAITS[missing]
    assert source.count(wait) == 1
    mutant = types.ModuleType("mutant")
    exec(compile(source.replace(wait, "pass\n"), "mutant of upload.py", "exec"), mutant.__dict__)
    wrong = 0
    for kind in ("late", "random", "random", "random"):
        with cnnkit_softcuda.streams(kind):
            wrong += not uploads_are_right(cupy, mutant.Uploader(cupy.cuda.Device(0)))
    assert wrong


def test_a_graph_runs_again_what_was_captured_and_nothing_before(cupy, add_one):
    x = cupy.zeros(32, cupy.float32)
    add_one((1,), (32,), (x,))
    stream = cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.Device().synchronize()
    with stream:
        stream.begin_capture()
        add_one((1,), (32,), (x,))
        graph = stream.end_capture()
        assert x.get()[0] == 1
        for _ in range(3):
            graph.launch(stream=stream)
        stream.synchronize()
    assert x.get()[0] == 4


def test_waiting_for_a_stream_that_captures_spoils_the_capture(cupy, add_one):
    x = cupy.zeros(32, cupy.float32)
    cupy.cuda.Device().synchronize()
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        add_one((1,), (32,), (x,))
        with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="capturing cannot be waited for"):
            stream.synchronize()
        with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="StreamCaptureInvalidated"):
            stream.end_capture()


def test_a_second_device_has_its_own_memory_and_streams(cupy, add_one):
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("there is one device: --devices 2")
    with cupy.cuda.Device(1):
        x = cupy.zeros(32, cupy.float32)
    assert x.device.id == 1
    with contextlib.suppress(cupy.cuda.runtime.CUDARuntimeError):  # another test may have enabled it
        cupy.cuda.runtime.deviceDisablePeerAccess(1)
    with pytest.raises(cupy.cuda.driver.CUDADriverError, match="memory of device 1, which its own"):
        cupy.RawKernel(ADD_ONE.replace("add_one", "strange"), "strange")((1,), (32,), (x.data.ptr,))
    with cupy.cuda.Device(1), cupy.cuda.Stream() as stream:
        add_one((1,), (32,), (x,))
        stream.synchronize()
    assert cupy.asarray(x, copy=True).get()[0] == 1
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="there is no device 99"):
        cupy.cuda.Device(99).use()


def test_memory_that_is_not_there_is_an_error(cupy):
    with pytest.raises((cupy.cuda.memory.OutOfMemoryError, cupy.cuda.runtime.CUDARuntimeError)):
        cupy.empty(1 << 40, cupy.uint8)
    free, total = cupy.cuda.Device().mem_info
    assert 0 < free <= total


def test_memory_by_streams_is_counted_in_its_pool(cupy):
    pool = cupy.cuda.MemoryAsyncPool()
    with cupy.cuda.using_allocator(pool.malloc):
        before = pool.used_bytes()
        x = cupy.ones(1000, cupy.float32)
        assert pool.used_bytes() - before == 4096
        assert float(x.sum()) == 1000
        del x
    cupy.cuda.Device().synchronize()
    assert pool.used_bytes() == before
