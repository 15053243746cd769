"""What only a GPU can show of the host side: streams, memory, launches, uploads, a second device."""

from types import SimpleNamespace

import numpy as np
import pytest
from cnnkit_cupy import launcher
from cnnkit_cupy.launcher import In, Kernel, Out
from cnnkit_cupy.nccl import on_streams

import cnnkit
from cnnkit import backends, nn, optim, random
from cnnkit import functional as F
from cnnkit.autograd import tensor
from cnnkit.data import ArrayDataset, DataLoader

HERE = next(row for row in backends.list() if row.name == "cupy")
pytestmark = pytest.mark.skipif(not HERE.available, reason=f"no GPU: {HERE.reason}")

COPY = """
extern "C" __global__ void __launch_bounds__(256) copy_by_shared(const float* x, float* y) {
    extern __shared__ float staged[];
    for (int i = threadIdx.x; i < 16000; i += 256) staged[i] = x[i];
    __syncthreads();
    for (int i = threadIdx.x; i < 16000; i += 256) y[i] = staged[15999 - i];
}
"""
WAIT = """
extern "C" __global__ void wait(long long cycles) {
    for (const long long end = clock64() + cycles; clock64() < end;);
}
"""


def pooled(x):
    return F.max_pool2d(tensor(x), 2).array


def test_kernels_run_on_the_stream_that_is_current(cupy):
    x = cupy.arange(64, dtype=cupy.float32).reshape(1, 1, 8, 8)
    (warm,), _ = cnnkit.ops.OPS["max_pool"](x, kernel_size=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)),
                                              dilation=(1, 1), ceil_mode=False)
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()  # a launch on another stream is not in the graph, or is an error
        (y,), _ = cnnkit.ops.OPS["max_pool"](x, kernel_size=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)),
                                               dilation=(1, 1), ceil_mode=False)
        graph = stream.end_capture()
    x += 100
    cupy.cuda.Device().synchronize()
    graph.launch(stream=stream)
    stream.synchronize()
    np.testing.assert_array_equal(y.get(), warm.get() + 100)


def test_results_lie_in_cupys_pool_and_go_back_to_it(cupy):
    pool = cupy.get_default_memory_pool()
    x = cupy.zeros((4, 8, 64, 64), cupy.float32)
    pooled(x)
    before = pool.used_bytes()
    y = pooled(x)
    assert pool.used_bytes() - before >= y.nbytes
    del y
    assert pool.used_bytes() == before
    assert "of the device's" in backends.get("cupy").memory()


def test_a_block_may_have_more_than_48_kb_of_shared_memory(cupy, monkeypatch):
    kernel = Kernel("copying", "copy_by_shared", (In("float32"), Out("float32")), dynamic=64000)
    monkeypatch.setitem(launcher.KERNELS, kernel.name, kernel)
    monkeypatch.setattr(launcher, "source", lambda module: COPY)
    x = cupy.arange(16000, dtype=cupy.float32)
    y = cupy.empty_like(x)
    launcher.launch(backends.get("cupy").cuda, kernel.name, (1, 1, 1), x, y)
    np.testing.assert_array_equal(y.get(), x.get()[::-1])


def test_an_error_of_the_compiler_has_the_line_of_the_source(cupy):
    x = cupy.zeros(1, cupy.float32)
    name = next(iter(launcher.KERNELS))
    with pytest.raises(RuntimeError, match=r"does not compile for sm_(.*\n)+.*mistake"):
        backends.get("cupy").cuda.run('#line 1 "some.cu"\nint x = mistake;', (name,), name, (1, 1, 1),
                                      (1, 1, 1), [x], [False])


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_uploads_beside_a_busy_device_arrive_whole(cupy, num_workers):
    images = np.random.default_rng(0).standard_normal((512, 3, 32, 32)).astype(np.float32)
    wait, totals = cupy.RawKernel(WAIT, "wait"), []
    loader = DataLoader(ArrayDataset(images, np.arange(512)), 16, num_workers=num_workers)
    for x, y in loader:
        wait((1,), (1,), (np.int64(1_000_000),))
        totals.append((x.array.sum(axis=(1, 2, 3)), y.array + 0))
    for n, (total, labels) in enumerate(totals):
        at = slice(16 * n, 16 * n + 16)
        np.testing.assert_allclose(total.get(), images[at].sum(axis=(1, 2, 3)), rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(labels.get(), np.arange(512)[at])


def test_arrays_of_pytorch_come_and_go_on_the_gpu(cupy):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch is here without CUDA")
    x = torch.arange(4.0, device="cuda")
    moved = tensor(x, backend="cupy")
    np.testing.assert_array_equal(moved.numpy(), [0, 1, 2, 3])
    x += 1
    np.testing.assert_array_equal(moved.numpy(), [0, 1, 2, 3])


def test_bfloat16_goes_up_and_comes_back(cupy):
    pytest.importorskip("ml_dtypes")
    x = tensor([1.0, 2.5, -3.0], dtype="bfloat16")
    assert (x * 2).to(dtype="float32").tolist() == [2, 5, -6]


def test_a_model_trains_on_the_second_device_while_the_first_is_current(cupy):
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("there is one GPU")
    random.seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Dropout(0.5), nn.Linear(36, 3)).to("cupy:1")
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x = tensor(np.ones((4, 1, 8, 8), np.float32), backend="cupy:1")
    y = tensor([0, 1, 2, 0], backend="cupy:1")
    for _ in range(2):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    assert {t.array.device.id for t in (loss, *model.parameters(), *model.buffers())} == {1}
    assert cupy.cuda.Device().id == 0


def test_what_is_computed_beside_the_current_stream_waits_for_it(cupy):
    nccl = SimpleNamespace(NCCL_FLOAT32=7, NCCL_FLOAT64=8, get_unique_id=bytes,
                           NcclCommunicator=lambda size, name, rank: None)
    wait, x = cupy.RawKernel(WAIT, "wait"), cupy.zeros(1000, cupy.float32)
    links = on_streams(0, 1, lambda data: data, nccl, x, backends.get("cupy").cuda)
    kept, sums, current = [], [], cupy.cuda.get_current_stream()
    for _ in range(3):
        wait((1,), (1,), (np.int64(1_000_000),))
        x = x + 1
        kept.append(x)  # as gradients are, until what reads them there is done
        with links.aside():
            assert cupy.cuda.get_current_stream() != current
            wait((1,), (1,), (np.int64(1_000_000),))
            sums.append(x + 0.5)
        y = x * 3  # beside what is added there
    with links.aside():
        links.wait(lambda: None, 60)
    assert [total.get().tolist() for total in sums] == [[n + 0.5] * 1000 for n in (1, 2, 3)]
    assert y.get().tolist() == [9] * 1000
