"""The C++ kernels' tests need the C++ kernels."""

import cnnkit_cpu
import pytest
from cnnkit_cpu import library


@pytest.fixture(autouse=True)
def built():
    if library.available() is not True:
        pytest.skip(library.available())


@pytest.fixture
def two_threads():
    """Two threads for the length of a test, whatever the machine has."""
    before, library.threads = library.threads, 2
    yield
    library.threads = before


@pytest.fixture(params=("avx512", "avx2", "generic"))
def forced(request):
    """Each instruction set in turn."""
    if request.param not in cnnkit_cpu.isas():
        pytest.skip(f"no kernels for {request.param}: not built (CNNKIT_ISAS=all), or no such processor")
    cnnkit_cpu.force(request.param)
    yield request.param
    cnnkit_cpu.force(None)
