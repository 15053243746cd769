"""`cupy`: the real one, in use; `fake_cupy`: one made of NumPy and the emulator, with two devices; `launches`
and `launched`: the kernels of a test.
"""

import sys
from collections import defaultdict

import cnnkit_cupy
import fake_cupy as fake
import pytest
from cnnkit_cupy import launcher

import cnnkit
from cnnkit import backends

HERE = {row.name: row for row in backends.list()}


def forget():
    """Let the backend find its library anew."""
    for name in ("namespace", "cuda", "dtypes", "_resolved", "_uploaders", "_ones"):
        cnnkit_cupy.backend.__dict__.pop(name, None)


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
def fake_cupy(monkeypatch):
    """The fake's module; ``CALLS`` has what was asked of it."""
    if not HERE["emulator"].available:
        pytest.skip(HERE["emulator"].reason)
    for name in [n for n in sys.modules
                 if n.split(".")[0] == "cupy" or n.startswith("array_api_compat.cupy")]:
        monkeypatch.delitem(sys.modules, name)
    for name, module in fake.make().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(cnnkit_cupy, "_available", lambda: True)
    fake.CALLS.clear()
    forget()
    yield fake
    for name in [n for n in sys.modules if n.startswith("array_api_compat.cupy")]:
        del sys.modules[name]
    forget()


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
