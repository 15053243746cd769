"""`cupy`: the library, in use; `two_devices`: it has two; `launches`, `launched`, `launched_on`, `loaded_on`:
the kernels of a test.
"""

from collections import defaultdict

import pytest
from cnnkit_cupy import launcher

import cnnkit
from cnnkit import backends

HERE = {row.name: row for row in backends.list()}


@pytest.fixture(autouse=True)
def _planned_anew():
    """No plan of another test, which may have changed the constants that it was made with."""
    launcher.forget()


@pytest.fixture
def cupy():
    """CuPy, whose backend is in use, on a GPU or the software device."""
    if not HERE["cupy"].available:
        pytest.skip(f"no CUDA device: {HERE['cupy'].reason}")
    import cupy

    with cnnkit.use("cupy"):
        yield cupy


@pytest.fixture
def two_devices():
    """CuPy, which has two devices or more; no backend is in use but the usual one."""
    if not HERE["cupy"].available:
        pytest.skip(f"no CUDA device: {HERE['cupy'].reason}")
    import cupy

    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("there is one CUDA device")
    return cupy


@pytest.fixture
def launched_on(monkeypatch):
    """The kernels of our own that CuPy launches in a test, in order: name and number of the device."""
    from cnnkit_cupy.device import CupyDevice

    found, function = [], CupyDevice._function

    def recorded(self, source, name, place):
        found.append((name, place))
        return function(self, source, name, place)
    monkeypatch.setattr(CupyDevice, "_function", recorded)
    return found


@pytest.fixture
def loaded_on(monkeypatch):
    """The instances that CuPy loads in a test, where none has been loaded: name and number of the device."""
    from cnnkit_cupy import device

    found, load = [], device._load

    def recorded(source, name, place):
        found.append((name, place.id))
        return load(source, name, place)
    monkeypatch.setattr(device, "_load", recorded)
    monkeypatch.setattr(backends.get("cupy").cuda, "_loaded", {})
    return found


@pytest.fixture
def launches(monkeypatch):
    """The kernels of a test by module, in order: name and grid."""
    found, call, prepare = defaultdict(list), launcher.Launch.__call__, launcher.Launch.prepared

    def recorded(self, *arrays):
        found[self.kernel.module].append((self.kernel.name, self.grid))
        call(self, *arrays)

    def prepared(self, *arrays):
        found[self.kernel.module].append((self.kernel.name, self.grid))
        return prepare(self, *arrays)
    monkeypatch.setattr(launcher.Launch, "__call__", recorded)
    monkeypatch.setattr(launcher.Launch, "prepared", prepared)
    return found


@pytest.fixture
def launched(monkeypatch):
    """The names of the kernels of convolutions with few channels that a test launches, in order."""
    names, call = [], launcher.Launch.__call__

    def recorded(self, *arrays):
        if self.kernel.module in ("direct", "depthwise", "conv_relu_pool"):
            names.append(self.kernel.name)
        call(self, *arrays)
    monkeypatch.setattr(launcher.Launch, "__call__", recorded)
    return names
