"""Uploads: no buffer is written before its copy is done, and streams are not kept for ever.

That computation and copy wait for one another, `tests/backends/cnnkit_softcuda/test_streams.py` shows, where
each of the waits is left out once.
"""

import cnnkit_softcuda
import numpy as np
import pytest
from cnnkit_cupy.upload import BUFFERS, STREAMS, Ring

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


def test_many_uploads_that_are_not_waited_for_arrive_with_their_own_values(two_devices):
    backend = backends.get("cupy")
    arrays = [np.full((2, 3), n, np.float32) for n in range(3 * BUFFERS)]
    uploads = [backend.upload(a, "float32", "1") for a in arrays]
    for a, arrive in zip(arrays, uploads):
        arrived = arrive()
        assert arrived.device.id == 1
        np.testing.assert_array_equal(backend.to_numpy(arrived), a)


def test_streams_that_are_made_anew_for_each_step_are_not_kept_for_ever(cupy, monkeypatch):
    if not cnnkit_softcuda.loaded():
        pytest.skip("the software device counts waits")
    backend, streams = backends.get("cupy"), [cupy.cuda.Stream() for _ in range(STREAMS + 2)]
    monkeypatch.setitem(backend.__dict__, "_uploaders", {})
    for n, stream in enumerate(streams):
        with stream, cnnkit_softcuda.log() as calls:
            backend.upload(np.ones(3))()
        # for what computes, and for the copy; of one stream too many, for what it has to do
        assert calls.count("waitEvent") == min(n, STREAMS) + 1 + (n >= STREAMS)
    uploader, = backend._uploaders.values()
    assert [*uploader._computing] == [stream.ptr for stream in streams[2:]]


@pytest.mark.usefixtures("cupy")
def test_nothing_and_other_dtypes_are_uploaded_too():
    backend = backends.get("cupy")
    assert backend.upload(np.zeros((0, 3)), "float32")().shape == (0, 3)
    assert backend.to_numpy(backend.upload(np.float64(2.5), "float32")()) == np.float32(2.5)


@pytest.mark.parametrize("num_workers", [0, 1, 3])
@pytest.mark.usefixtures("two_devices")
def test_a_loader_gives_numpys_batches_on_the_second_device(num_workers):
    images = np.random.default_rng(0).standard_normal((37, 1, 3, 3)).astype(np.float32)
    dataset = ArrayDataset(images, np.arange(37))
    expected = list(DataLoader(dataset, 4, shuffle=True, seed=0).numpy_batches())
    with cnnkit.use("cupy:1"):
        got = list(DataLoader(dataset, 4, shuffle=True, seed=0, num_workers=num_workers))
    assert {t.array.device.id for batch in got for t in batch} == {1}
    for batch, expected_batch in zip(got, expected, strict=True):
        for a, b in zip(batch, expected_batch):
            np.testing.assert_array_equal(a.numpy(), b)
