"""What somebody who comes from CuPy tries first: it works, or the error says what to write instead."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, nn, optim, train
from cnnkit import functional as F
from cnnkit.data import ArrayDataset, DataLoader, TensorDataset

cupy = pytest.importorskip("cupy", reason="cupy is not installed", exc_type=ImportError)
HERE = next(row for row in backends.list() if row.name == "cupy")
pytestmark = pytest.mark.skipif(not HERE.available, reason=f"no GPU: {HERE.reason}")
DEVICES = cupy.cuda.runtime.getDeviceCount() if HERE.available else 0
two_devices = pytest.mark.skipif(DEVICES < 2, reason="there is one device")


def net():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(100, 3))


def on_host():
    rng = np.random.default_rng(0)
    return rng.standard_normal((4, 1, 12, 12)).astype(np.float32), rng.integers(0, 3, 4)


@pytest.fixture
def data():
    return tuple(map(cupy.asarray, on_host()))


@pytest.fixture
def model():
    cnnkit.random.seed(0)
    return net().to("cupy")


def step(model, x, y):
    optimizer, loss = optim.Adam(model.parameters(), lr=1e-3), F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


WORKS = {
    "a model takes an array": lambda m, x, y: m(x).backend == "cupy",
    "a model takes a Tensor": lambda m, x, y: m(cnnkit.Tensor(x)).backend == "cupy",
    "cnnkit.tensor stays on the device": lambda m, x, y: cnnkit.tensor(x).backend == "cupy",
    "labels as an array": lambda m, x, y: F.cross_entropy(m(x), y).item() > 0,
    "labels that were moved": lambda m, x, y: F.cross_entropy(
        m(x), cnnkit.tensor(on_host()[1]).to("cupy")).item() > 0,
    "a step of Adam": lambda m, x, y: step(m, x, y) > 0,
    "half precision": lambda m, x, y: m.to("float16")(x.astype(cupy.float16)).dtype == cupy.float16,
    "cupy.asarray": lambda m, x, y: cupy.asarray(m(x).detach()).data.ptr > 0,
    "cupy.asnumpy": lambda m, x, y: isinstance(cupy.asnumpy(m(x).detach()), np.ndarray),
    "a function of CuPy's": lambda m, x, y: cupy.exp(m(x).detach()).shape == (4, 3),
    "cupy.add": lambda m, x, y: isinstance(cupy.add(cnnkit.Tensor(x), cnnkit.Tensor(x)), cupy.ndarray),
    "cupy.concatenate": lambda m, x, y: cupy.concatenate([cnnkit.Tensor(x)] * 2).shape[0] == 8,
    "cupy.unique": lambda m, x, y: cupy.unique(cnnkit.Tensor(y)).size <= 3,
    "np.linalg.norm": lambda m, x, y: np.linalg.norm(cnnkit.Tensor(x)) > 0,
    "an array + a Tensor": lambda m, x, y: isinstance(x + cnnkit.Tensor(x), cnnkit.Tensor),
    "a Tensor + an array": lambda m, x, y: isinstance(cnnkit.Tensor(x) + x, cnnkit.Tensor),
    "an array + a Tensor that requires a gradient": lambda m, x, y: (
        x + cnnkit.Tensor(x, requires_grad=True)).requires_grad,
    "x.array": lambda m, x, y: isinstance(m(x).array, cupy.ndarray),
    "__cuda_array_interface__": lambda m, x, y: m(x).detach().__cuda_array_interface__["shape"] == (4, 3),
    "cupy.from_dlpack": lambda m, x, y: cupy.from_dlpack(m(x).detach()).shape == (4, 3),
    "cupy.from_dlpack of the array": lambda m, x, y: cupy.from_dlpack(m(x).array).shape == (4, 3),
    "cnnkit.from_dlpack": lambda m, x, y: cnnkit.from_dlpack(x).array.data.ptr == x.data.ptr,
    "numpy()": lambda m, x, y: isinstance(m(x).numpy(), np.ndarray),
    "np.asarray": lambda m, x, y: isinstance(np.asarray(m(x)), np.ndarray),
    "print": lambda m, x, y: repr(m(x)).startswith("tensor([["),
    "accuracy of Tensors": lambda m, x, y: 0 <= float((m(x).argmax(1) == y).float().mean()) <= 1,
    "accuracy of arrays": lambda m, x, y: 0 <= float((m(x).array.argmax(1) == y).mean()) <= 1,
    "a fancy index": lambda m, x, y: m(x[cupy.asarray([2, 0])]).shape == (2, 3),
    "a slice": lambda m, x, y: m(x[::2]).shape == (2, 3),
    "a mask": lambda m, x, y: m(x[y >= 0]).shape == (4, 3),
    "cupyx": lambda m, x, y: __import__("cupyx").rsqrt(cupy.abs(m(x).array)).shape == (4, 3),
    "state_dict": lambda m, x, y: [*m.state_dict()][:2] == ["0.weight", "0.bias"],
    "F.conv2d of arrays": lambda m, x, y: F.conv2d(x, cupy.ones((2, 1, 3, 3), "float32")).shape[1] == 2,
    "fit on arrays": lambda m, x, y: len(train.fit(m, (x, y), progress=False).epochs) == 1,
    "fit on host arrays": lambda m, x, y: len(train.fit(m, on_host(), progress=False).epochs) == 1,
    "predict": lambda m, x, y: train.predict(m, x).backend == "cupy",
    "evaluate": lambda m, x, y: train.evaluate(m, (x, y)).loss > 0,
    "a dataset on the device": lambda m, x, y: [b.backend for b, _ in DataLoader(
        TensorDataset(x, y), 2)] == ["cupy"] * 2,
    "a dataset of arrays": lambda m, x, y: len([*DataLoader(ArrayDataset(x, y), 2)]) == 2,
    "a loader that uploads": lambda m, x, y: {b.backend for b, _ in DataLoader(
        ArrayDataset(*on_host()), 2, num_workers=1, backend="cupy")} == {"cupy"},
}


@pytest.mark.parametrize("name", WORKS)
def test_it_works(name, model, data):
    assert WORKS[name](model, *data)


REFUSED = {
    "a model on NumPy": (lambda m, x, y: net()(x), TypeError,
                         r"move one with Tensor\.to\('cupy'\) or Module\.to"),
    "labels on the host": (lambda m, x, y: F.cross_entropy(m(x), on_host()[1]), TypeError,
                           r"move one with Tensor\.to\('cupy'\)"),
    "float64 images": (lambda m, x, y: m(x.astype(cupy.float64)), TypeError,
                       r"Convert the input with \.to\(dtype='float32'\)"),
    "cupy.asarray with a gradient": (lambda m, x, y: cupy.asarray(m(x)), RuntimeError, r"use x\.detach\(\)"),
    "cupy.exp with a gradient": (lambda m, x, y: cupy.exp(m(x)), RuntimeError, r"use x\.detach\(\)"),
    "from_dlpack with a gradient": (lambda m, x, y: cupy.from_dlpack(m(x)), BufferError,
                                    r"use x\.detach\(\)"),
    "np.exp": (lambda m, x, y: np.exp(m(x)), TypeError, r"use x\.exp\(\)"),
    "np.mean": (lambda m, x, y: np.mean(m(x)), TypeError, r"numpy\.mean\(x\.numpy\(\)\)"),
    "cupy.mean": (lambda m, x, y: cupy.mean(m(x)), TypeError, r"cupy\.mean\(x\.array\)"),
    "cupy.sum": (lambda m, x, y: cupy.sum(m(x)), TypeError, r"cupy\.sum\(x\.array\)"),
    "cupy.argmax": (lambda m, x, y: cupy.argmax(m(x), 1), TypeError, r"cupy\.argmax\(x\.array\)"),
    "cupy.argsort": (lambda m, x, y: cupy.argsort(m(x)), TypeError, r"cupy\.argsort\(x\.array\)"),
    "cupy.dot": (lambda m, x, y: cupy.dot(m(x), m(x).T), TypeError, r"cupy\.dot\(x\.array\)"),
    "cupy.ravel": (lambda m, x, y: cupy.ravel(m(x)), TypeError, r"cupy\.ravel\(x\.array\)"),
    "cupy.repeat": (lambda m, x, y: cupy.repeat(m(x), 2), TypeError, r"cupy\.repeat\(x\.array\)"),
    "cupy.reshape": (lambda m, x, y: cupy.reshape(m(x), -1), TypeError, r"cupy\.reshape\(x\.array\)"),
    "cupy.take": (lambda m, x, y: cupy.take(m(x), y), TypeError, r"cupy\.take\(x\.array\)"),
    "cupy.trace": (lambda m, x, y: cupy.trace(m(x)), TypeError, r"cupy\.trace\(x\.array\)"),
    "cupy.transpose": (lambda m, x, y: cupy.transpose(m(x)), TypeError, r"cupy\.transpose\(x\.array\)"),
    "cupy.tensordot": (lambda m, x, y: cupy.tensordot(m(x), m(x).T, 1), TypeError, r"x\.array"),
    "cupy.concatenate with a gradient": (lambda m, x, y: cupy.concatenate([m(x), m(x)]), RuntimeError,
                                         r"use x\.detach\(\)"),
    "cupy.sort": (lambda m, x, y: cupy.sort(m(x)), AttributeError,
                  r"functions of CuPy and NumPy take x\.array"),
    "cupy.ptp": (lambda m, x, y: cupy.ptp(m(x)), AttributeError,
                 r"functions of CuPy and NumPy take x\.array"),
    "cupy.argpartition": (lambda m, x, y: cupy.argpartition(m(x), 1), AttributeError,
                          r"use x\.topk\(k\)\.indices"),
    "cupy.linalg.norm": (lambda m, x, y: cupy.linalg.norm(m(x)), AttributeError,
                         r"functions of CuPy and NumPy take x\.array"),
    "cupy.where": (lambda m, x, y: cupy.where(m(x) > 0, m(x), 0), AttributeError,
                   r"functions of CuPy and NumPy take x\.array"),
    "cupy.zeros_like": (lambda m, x, y: cupy.zeros_like(m(x)), AttributeError,
                        r"functions of CuPy and NumPy take x\.array"),
    "astype": (lambda m, x, y: m(x).astype("float16"), AttributeError, r"use x\.to\(dtype\)"),
    "get": (lambda m, x, y: m(x).get(), AttributeError, r"use x\.numpy\(\)"),
    "set": (lambda m, x, y: m(x).set(on_host()[0]), AttributeError, r"use x\.copy_\(values\)"),
    "copy": (lambda m, x, y: m(x).copy(), AttributeError, r"use x\.clone\(\)"),
    "data.ptr": (lambda m, x, y: m(x).data.ptr, AttributeError, r"x\.array\.data\.ptr"),
    "strides": (lambda m, x, y: m(x).strides, AttributeError, r"x\.array\.strides"),
    "toDlpack": (lambda m, x, y: m(x).toDlpack(), AttributeError, r"use cupy\.from_dlpack\(x\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_error_says_what_to_write(name, model, data):
    attempt, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        attempt(model, *data)


# CuPy looks at the type before it asks the Tensor for anything, so the words are CuPy's: see docs/cupy.md
REFUSED_BY_CUPY = {
    "matmul": lambda x: cupy.matmul(x, x), "stack": lambda x: cupy.stack([x, x]),
    "inner": lambda x: cupy.inner(x, x), "split": lambda x: cupy.split(x, 2),
    "broadcast_to": lambda x: cupy.broadcast_to(x, (2, 4, 4)), "moveaxis": lambda x: cupy.moveaxis(x, 0, 1),
    "expand_dims": lambda x: cupy.expand_dims(x, 0), "cumsum": cupy.cumsum, "median": cupy.median,
    "nonzero": cupy.nonzero, "any": cupy.any, "ascontiguousarray": cupy.ascontiguousarray,
    "column_stack": lambda x: cupy.column_stack([x, x]), "linalg.inv": cupy.linalg.inv,
    "a RawKernel": lambda x: cupy.RawKernel('extern "C" __global__ void f(float*) {}', "f")((1,), (1,), (x,)),
}


@pytest.mark.parametrize("name", REFUSED_BY_CUPY)
def test_what_takes_cupys_arrays_alone_names_their_type_and_takes_x_array(name):
    x = cnnkit.Tensor(cupy.eye(4, dtype="float32"))
    with pytest.raises((TypeError, np.linalg.LinAlgError),
                       match=r"got Tensor|cupy\.ndarray|\.Tensor|cupy arrays"):
        REFUSED_BY_CUPY[name](x)
    if name != "linalg.inv":  # by cuSOLVER, which the software device lacks
        REFUSED_BY_CUPY[name](x.array)


def test_arrays_are_shared_and_not_moved(model, data):
    x = cnnkit.Tensor(data[0])
    assert cupy.asarray(x).data.ptr == cupy.from_dlpack(x).data.ptr == data[0].data.ptr


def test_what_cupy_was_given_stays_when_the_tensor_changes(data):
    """CuPy keeps the Tensor for its address, which an in-place change gives other memory."""
    x = cnnkit.Tensor(data[0] + 0)
    shared, before = cupy.asarray(x), x.numpy().copy()
    x.add_(1)
    others = [cupy.full(data[0].shape, 7, "float32") for _ in range(4)]  # the pool would give freed memory
    assert len(others) == 4
    assert np.array_equal(shared.get(), before)


def test_a_stream_of_ones_own(model, data):
    expected, stream = step(net_like(model), *data), cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.Device().synchronize()
    with stream:
        loss = step(model, *data)
    stream.synchronize()
    assert loss == expected


def net_like(model):
    other = net().to("cupy")
    other.load_state_dict(model.state_dict())
    return other


def test_memory_comes_from_the_allocator_in_use(model, data):
    pool = cupy.cuda.MemoryPool(cupy.cuda.malloc_managed)
    with cupy.cuda.using_allocator(pool.malloc):
        step(model, *data)
        assert pool.total_bytes() > 0
        assert f"of {pool.total_bytes() / 2**20:.0f} MiB that the pool holds" in backends.get("cupy").memory()


@two_devices
def test_the_current_device_is_where_new_things_are_made():
    with cupy.cuda.Device(1), cnnkit.use("cupy"):
        model, x = net(), cupy.asarray(on_host()[0])
        assert {p.array.device.id for p in model.parameters()} == {1}
        assert model(x).array.device.id == 1


@two_devices
def test_a_batch_on_another_device_than_the_model_is_refused(model):
    with cupy.cuda.Device(1):
        x = cupy.asarray(on_host()[0])
    with pytest.raises(ValueError, match=r"several devices, cupy:0, cupy:1; move them to one with"):
        model(x)


@two_devices
def test_a_model_is_moved_to_another_device():
    model = net().to("cupy:1")
    assert model(cnnkit.tensor(on_host()[0]).to("cupy:1")).array.device.id == 1
