"""Which kernels a test launches."""

import pytest
from cnnkit_cupy import conv_relu_pool, depthwise, direct, launcher


@pytest.fixture
def launched(monkeypatch):
    """The names of the kernels that the modules of convolutions with few channels launch, in order."""
    names = []

    def launch(device, name, *rest):
        names.append(name)
        return launcher.launch(device, name, *rest)
    for module in (direct, depthwise, conv_relu_pool):
        monkeypatch.setattr(module, "launch", launch)
    return names
