"""Tests of the software device; most need the process to be started on it (tox -e cupy-soft)."""

import cnnkit_softcuda
import pytest


@pytest.fixture
def cupy():
    """The real CuPy on the software device."""
    if not cnnkit_softcuda.loaded():
        pytest.skip("this process does not run on the software device: tox -e cupy-soft")
    import cupy

    cupy.cuda.Device(0).use()
    return cupy
