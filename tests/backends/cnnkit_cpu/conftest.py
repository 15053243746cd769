"""The C++ kernels' tests need the C++ kernels."""

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
