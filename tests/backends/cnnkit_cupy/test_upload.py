"""Uploads: no buffer is written before its copy is done; computation and copy wait for one another.

Copies of the fake CuPy happen when somebody waits for them, so a wait that is missing gives wrong values.
"""

import threading

import numpy as np
import pytest
from cnnkit_cupy import upload
from cnnkit_cupy.upload import BUFFERS, Ring

import cnnkit
from cnnkit import backends
from cnnkit.data import ArrayDataset, DataLoader


class Late:
    """The event of a copy that has not finished: it reads its buffer when it is waited for."""

    def __init__(self, buffer):
        self.buffer, self.read = buffer, None

    def synchronize(self):
        self.read = self.buffer.memory[:8].view(np.float64).tolist()


def test_a_buffer_is_used_again_only_after_its_copy_is_done():
    ring, events = Ring(lambda size: np.zeros(size, np.uint8), count=2), []
    for n in range(5):
        buffer = ring.stage(np.array([float(n)]))
        assert buffer.memory[:8].view(np.float64) == n
        buffer.copied = Late(buffer)
        events.append(buffer.copied)
    assert [e.read for e in events] == [[0], [1], [2], None, None]
    assert len({id(e.buffer) for e in events}) == 2


def test_a_buffer_grows_and_takes_any_strides_and_dtype():
    sizes, x = [], np.arange(24.0).reshape(2, 3, 4)
    ring = Ring(lambda size: sizes.append(size) or np.zeros(size, np.uint8), count=1)
    for data in (x.transpose(2, 0, 1), x[:, ::2, ::-1], x[0, 0].astype(np.int8), x > 3):
        memory = ring.stage(data).memory
        np.testing.assert_array_equal(memory[:data.nbytes].view(data.dtype).reshape(data.shape), data)
    assert sizes == [256]
    ring.stage(np.zeros(257, np.uint8))
    assert sizes == [256, 512]


def test_many_uploads_that_are_not_waited_for_arrive_with_their_own_values(fake_cupy):
    backend = backends.get("cupy")
    arrays = [np.full((2, 3), n, np.float32) for n in range(3 * BUFFERS)]
    uploads = [backend.upload(a, "float32", "1") for a in arrays]
    for a, arrive in zip(arrays, uploads):
        arrived = arrive()
        assert arrived.device.id == 1
        np.testing.assert_array_equal(backend.to_numpy(arrived), a)


def test_the_computation_waits_for_the_copy_and_the_next_copy_for_the_computation(fake_cupy):
    backend, compute = backends.get("cupy"), fake_cupy.Stream()
    with compute:
        backend.upload(np.ones(3))()
    copying = next(call[1] for call in fake_cupy.CALLS if call[0] == "copy")
    assert copying not in (compute.ptr, fake_cupy.NULL.ptr)
    assert ("wait", compute.ptr, copying) in fake_cupy.CALLS
    fake_cupy.CALLS.clear()
    worker = threading.Thread(target=backend.upload, args=(np.ones(3),))
    worker.start()
    worker.join()
    steps = [call for call in fake_cupy.CALLS if call[0] in ("wait", "copy")]
    assert steps == [("wait", copying, compute.ptr), ("copy", copying)]


def test_streams_that_are_made_anew_for_each_step_are_not_kept_for_ever(fake_cupy):
    backend, streams = backends.get("cupy"), [fake_cupy.Stream() for _ in range(upload.STREAMS + 2)]
    for stream in streams:
        with stream:
            backend.upload(np.ones(3))()
    copying = next(call[1] for call in fake_cupy.CALLS if call[0] == "copy")
    for evicted in streams[:2]:  # what they had to do is waited for nevertheless
        assert fake_cupy.CALLS.count(("wait", copying, evicted.ptr)) >= upload.STREAMS
    fake_cupy.CALLS.clear()
    with streams[2]:
        backend.upload(np.ones(3))()
    waited = [call[2] for call in fake_cupy.CALLS if call[:2] == ("wait", copying)]
    assert waited == [stream.ptr for stream in streams[2:]]


def test_nothing_and_other_dtypes_are_uploaded_too(fake_cupy):
    backend = backends.get("cupy")
    assert backend.upload(np.zeros((0, 3)), "float32")().shape == (0, 3)
    assert backend.to_numpy(backend.upload(np.float64(2.5), "float32")()) == np.float32(2.5)


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_a_loader_gives_numpys_batches_on_the_second_device(fake_cupy, num_workers):
    images = np.random.default_rng(0).standard_normal((37, 1, 3, 3)).astype(np.float32)
    dataset = ArrayDataset(images, np.arange(37))
    expected = list(DataLoader(dataset, 4, shuffle=True, seed=0).numpy_batches())
    with cnnkit.use("cupy:1"):
        got = list(DataLoader(dataset, 4, shuffle=True, seed=0, num_workers=num_workers))
    assert {t.array.device.id for batch in got for t in batch} == {1}
    for batch, expected_batch in zip(got, expected, strict=True):
        for a, b in zip(batch, expected_batch):
            np.testing.assert_array_equal(a.numpy(), b)
