"""`tiled`: the tiled convolution without the kernels for few channels, which would take most small shapes."""

import pytest
from cnnkit_cupy import conv

from cnnkit import backends


@pytest.fixture
def tiled():
    """The name of a table of the emulator in which `conv.cu` alone convolves."""
    table = backends.KernelTable("tiled", "emulator",
                                 {"conv": conv.conv2d, ("conv", "relu"): conv.conv2d_relu}, priority=1)
    backends.register_table(table)
    yield table.name
    backends.register_table(remove=table.name)
