"""The CuPy backend's host side with two devices: all runs where its arrays are."""

import contextlib
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import cnnkit_cupy
import cnnkit_softcuda
import numpy as np
import pytest
from cnnkit_cupy import capability, kernels, launcher

import cnnkit
from cnnkit import backends, nn, optim, random
from cnnkit import functional as F
from cnnkit.autograd import tensor
from cnnkit.backends.state import local

MEMORY = r"\d+ MiB of \d+ MiB that the pool holds"
FREE = r"[\d.]+ [GM]iB of the device's [\d.]+ [GM]iB are free"


def places(tensors):
    return {t.array.device.id for t in tensors}


def late_streams():
    """On the software device, work is done when somebody waits for it."""
    return cnnkit_softcuda.streams("late") if cnnkit_softcuda.loaded() else contextlib.nullcontext()


def test_names_of_devices_become_devices_and_an_unknown_one_names_those_that_there_are(two_devices):
    backend, device = backends.place("cupy:1")
    assert (backend.name, device) == ("cupy", two_devices.cuda.Device(1))
    for wrong in (lambda: cnnkit.use("cupy:99"), lambda: tensor([1.0], backend="cupy:99"), lambda:
                  tensor([1.0]).to("cupy:99"), lambda: random.bits((0, 0), 3, backend=backend, device="99")):
        with pytest.raises(ValueError, match="backend 'cupy' has no device '99'; it has cupy:0, cupy:1"):
            wrong()
    assert backends.current().name == "numpy"


def test_new_arrays_and_draws_are_made_on_the_device_that_use_names(two_devices):
    with cnnkit.use("cupy:1") as backend:
        created = [tensor([1.0, 2.0]), nn.Linear(2, 3).weight, nn.init.empty((2,))]
        draws = [random.bits((1, 2), 5), random.uniform((1, 2), (2, 3)), random.bernoulli((1, 2), 0.5, 4),
                 random.normal((1, 2), 3)]
        assert backend.device() == two_devices.cuda.runtime.getDeviceProperties(1)["name"].decode()
    assert places(created) == {1}
    assert {d.device.id for d in draws} == {1}
    with backends.tables():
        generic = random.uniform((1, 2), (2, 3), backend=backend, device="1")
    assert generic.device.id == 1
    np.testing.assert_array_equal(backend.to_numpy(generic), random.uniform((1, 2), (2, 3)))
    assert tensor([1.0], backend="cupy").array.device.id == 0


def test_synchronize_waits_for_the_device_that_use_names(two_devices):
    with two_devices.cuda.Device(1):
        x, stream = two_devices.zeros(4), two_devices.cuda.Stream(non_blocking=True)
        x + 1  # compiled and loaded
    with late_streams():
        with two_devices.cuda.Device(1), stream:
            x + 1
        with cnnkit.use("cupy:1") as backend:
            backend.synchronize()
        assert stream.done


@pytest.mark.parametrize("namespace_function", ["arange", "empty", "eye", "ones", "zeros"])
def test_the_namespace_makes_arrays_where_it_is_told(two_devices, namespace_function):
    xp = backends.get("cupy").namespace
    created = getattr(xp, namespace_function)(3, device=two_devices.cuda.Device(1))
    assert created.device.id == 1
    assert xp.zeros_like(created).device.id == 1
    assert xp.asarray(created, copy=True).device.id == 1
    assert getattr(xp, namespace_function)(3).device.id == 0


def trained(device):
    random.seed(0)
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                          nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 3)).to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x = tensor(rng.standard_normal((5, 1, 8, 8)).astype(np.float32), backend=device)
    y = tensor(rng.integers(0, 3, 5), backend=device)
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model, loss, optimizer


def test_a_model_that_was_moved_to_the_second_device_trains_there(two_devices, launched_on):
    model, loss, optimizer = trained("cupy:1")
    state = [t for slots in optimizer.state.values() for t in slots.values()]
    assert places([loss, *model.parameters(), *model.buffers(),
                   *(p.grad for p in model.parameters()), *state]) == {1}
    assert {"batch_norm_moments", "sgd", "dropout"} <= {name.split("<")[0] for name, _ in launched_on}
    assert [name for name, device in launched_on if device != 1] == []
    assert two_devices.cuda.Device().id == 0
    expected, expected_loss, _ = trained("numpy")
    np.testing.assert_allclose(loss.numpy(), expected_loss.numpy(), rtol=1e-5)
    for actual, exact in zip(model.parameters(), expected.parameters()):
        np.testing.assert_allclose(actual.numpy(), exact.numpy(), rtol=1e-4, atol=1e-6)


def test_generic_ops_run_on_the_second_device_too(two_devices, launched_on):
    with backends.tables():
        model, loss, _ = trained("cupy:1")
    assert places([loss, *model.parameters()]) == {1}
    assert launched_on == []


def test_an_instance_is_loaded_once_on_each_device_and_no_other_with_it(two_devices, loaded_on):
    for where in ("cupy:0", "cupy:1", "cupy:1"):
        F.relu(F.max_pool2d(tensor(np.zeros((1, 1, 4, 4), np.float32), backend=where), 2))
    assert [(name.split("<")[0], device) for name, device in loaded_on] == [("max_pool2d", 0),
                                                                          ("max_pool2d", 1)]


def test_moving_and_copying(two_devices):
    backend = backends.get("cupy")
    x = tensor(np.arange(3.0), backend="cupy:1")
    with late_streams():
        assert x.to("cupy:0").array.device.id == 0
        assert x.to("cupy:0").tolist() == [0, 1, 2]
        assert x.to("numpy").tolist() == [0, 1, 2]
    assert x.to("cupy") is x
    assert x.clone().array.device.id == 1
    x.copy_([4, 5, 6])
    assert (x.array.device.id, x.tolist()) == (1, [4, 5, 6])
    assert (x * 2).backend == "cupy"
    assert backend.asarray(x.array).device.id == 1


def test_moving_to_another_device_waits_for_both(two_devices):
    if not cnnkit_softcuda.loaded():
        pytest.skip("the software device counts waits")
    x = tensor(np.arange(3.0), backend="cupy:1")
    with cnnkit_softcuda.log() as calls:
        x.to("cupy:0")
    assert calls.count("streamSynchronize") == 2


def test_arrays_of_other_libraries_come_by_dlpack_from_a_gpu_and_over_the_host_else(two_devices):
    class OnAGPU:
        """An array of another library, on the first device."""

        dtype, memory = np.dtype("float32"), two_devices.asarray([1.5, 2.5], "float32")

        def __dlpack_device__(self):
            return self.memory.__dlpack_device__()

        def __dlpack__(self, **settings):
            return self.memory.__dlpack__(**settings)

    backend = backends.get("cupy")
    arrived = backend.asarray(OnAGPU(), device="1")
    assert (arrived.device.id, arrived.get().tolist()) == (1, [1.5, 2.5])
    for name in ("torch", "jax", "array-api-strict", "emulator"):
        if next(row for row in backends.list() if row.name == name).available:
            moved = tensor([1.0, 2.0], backend=name).to("cupy:1")
            assert (moved.array.device.id, moved.tolist()) == (1, [1, 2])


def test_memory_is_told_in_words(two_devices):
    with cnnkit.use("cupy:1"):
        row = next(row for row in backends.list() if row.name == "cupy")
    assert re.fullmatch(f"arrays use {MEMORY}; {FREE}", row.memory)


def test_memory_is_that_of_the_allocator_in_use(cupy):
    pool = cupy.cuda.MemoryPool()
    pool.set_limit(size=4 << 30)
    with cupy.cuda.using_allocator(pool.malloc):
        x = cupy.zeros(7 << 20, "uint8")
        assert re.fullmatch(f"arrays use 7 MiB of 7 MiB that the pool holds, at most 4.0 GiB; {FREE}",
                            backends.get("cupy").memory())
    with cupy.cuda.using_allocator(lambda size: pool.malloc(size)):  # noqa: PLW0108 - no method of a pool
        assert re.fullmatch(f"arrays come from no pool; {FREE}", backends.get("cupy").memory())
    assert x.size == 7 << 20


def test_without_nvrtc_cupy_is_not_available_and_the_reason_says_what_to_install(cupy, monkeypatch):
    def missing():
        raise ImportError("libnvrtc.so.13: cannot open shared object file")
    available, major = cnnkit_cupy._available.__wrapped__, cupy.cuda.runtime.runtimeGetVersion() // 1000
    assert available() is True
    monkeypatch.setattr(cupy.cuda.nvrtc, "getVersion", missing)
    assert available() == ("NVRTC, which compiles the kernels, cannot be loaded (libnvrtc.so.13: cannot open "
                           f"shared object file): pip install 'cnnkit[cuda{major}]', "
                           f"or 'cupy-cuda{major}x[ctk]'")


def test_what_is_installed_with_cuda_brings_nvrtc_and_cublas():
    extras = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    for major in ("12", "13"):
        assert extras["project"]["optional-dependencies"][f"cuda{major}"] == [f"cupy-cuda{major}x[ctk]>=14"]


def test_on_a_gpu_older_than_the_kernels_the_ops_own_bodies_run_and_say_why(two_devices, monkeypatch):
    old = [1]

    class Device(two_devices.cuda.Device):
        """A device, which may be one of the old ones."""

        @property
        def compute_capability(self):
            return "70" if self.id in old else "75"

    monkeypatch.setattr(two_devices.cuda, "Device", Device)
    monkeypatch.setattr(two_devices.cuda.runtime, "getDeviceCount", lambda: 2)
    capability.too_old.cache_clear()
    reason = "cupy:1 has compute capability 7.0, and the kernels need 7.5 or more"
    assert capability.too_old() == {1: reason}
    assert capability.served() is True
    table = kernels.kernels("cupy")
    for n, served in ((0, True), (1, False)):
        x = tensor(np.zeros((1, 1, 4, 4), np.float32), backend=f"cupy:{n}").array
        pooling = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1),
                   "ceil_mode": False}
        with backends.get("cupy").on(n):
            results = (table["max_pool"](x, needs=(True,), **pooling),
                       table["sgd"]([x], [x], {}, lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0,
                                    nesterov=False, maximize=False, workspace={}))
            assert [result is not NotImplemented for result in results] == [served] * 2
    assert local.declined == reason
    old.append(0)
    capability.too_old.cache_clear()
    assert capability.served() == f"{reason.replace('cupy:1', 'cupy:0')}; {reason}"
    capability.too_old.cache_clear()


def test_without_a_gpu_the_suite_refuses_to_run_on_one_and_says_why():
    here = next(row for row in backends.list() if row.name == "cupy")
    if here.available:
        pytest.skip("there is a GPU")
    process = subprocess.run([sys.executable, "-m", "pytest", "--backend", "cupy", "tests/test_layering.py"],
                             capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert process.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"--backend cupy: {here.reason}" in process.stderr


def test_bfloat16_is_a_dtype_where_ml_dtypes_is(cupy, monkeypatch):
    backend = backends.get("cupy")
    monkeypatch.setitem(backend.__dict__, "dtypes", ("float32",))
    with pytest.raises(TypeError, match="has no dtype 'bfloat16'"):
        backend.dtype("bfloat16")
    del backend.__dict__["dtypes"]
    ml_dtypes = pytest.importorskip("ml_dtypes")
    assert "bfloat16" in backend.dtypes
    assert backend.dtype("bfloat16") == np.dtype(ml_dtypes.bfloat16)


def test_arrays_of_two_devices_do_not_meet_in_a_kernel(two_devices):
    x, weight = (tensor(np.zeros((1, 1, n, n), np.float32), backend=f"cupy:{n % 2}") for n in (4, 3))
    with pytest.raises(ValueError,
                       match=r"arrays of several devices, cupy:0, cupy:1; move them to one with Tensor\.to"):
        F.conv2d(x, weight)


def test_a_device_that_is_older_than_a_kernel_is_named(cupy, monkeypatch):
    x = cupy.zeros((1, 1, 4, 4), "float32")
    name = next(name for name in launcher.KERNELS if name.startswith("max_pool2d<"))
    monkeypatch.setitem(launcher.KERNELS, name, replace(launcher.KERNELS[name], arch=999))
    with pytest.raises(ValueError, match=r"of compute capability 99\.9, and cupy:0 has \d+\.\d"):
        backends.get("cupy").cuda.run("another source", (name,), name, (1, 1, 1), (1, 1, 1), [x], [True])
