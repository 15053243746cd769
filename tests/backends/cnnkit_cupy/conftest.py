"""`fake_cupy`: CuPy made of NumPy and the emulator, with two devices; `launched`: the kernels of a test."""

import sys

import cnnkit_cupy
import fake_cupy as fake
import pytest
from cnnkit_cupy import conv_relu_pool, depthwise, direct, launcher

from cnnkit import backends

HERE = next(row for row in backends.list() if row.name == "emulator")


def forget():
    """Let the backend find its library anew."""
    for name in ("namespace", "cuda", "dtypes", "_resolved", "_uploaders"):
        cnnkit_cupy.backend.__dict__.pop(name, None)


@pytest.fixture(autouse=True)
def _planned_anew():
    """No plan of another test, which may have changed the constants that it was made with."""
    launcher.forget()


@pytest.fixture
def fake_cupy(monkeypatch):
    """The fake's module; ``CALLS`` has what was asked of it."""
    if not HERE.available:
        pytest.skip(HERE.reason)
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
def launched(monkeypatch):
    """The names of the kernels that the modules of convolutions with few channels launch, in order."""
    names = []

    def launch(device, name, *arguments):
        names.append(name)
        return launcher.launch(device, name, *arguments)
    for module in (direct, depthwise, conv_relu_pool):
        monkeypatch.setattr(module, "launch", launch)
    return names
