"""Words that users of other libraries know: "cuda", "gpu" and "auto" are understood."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends
from cnnkit.backends import ArrayAPIBackend, KernelTable, naming


@pytest.fixture
def stand_in(monkeypatch):
    """A backend called cupy that is there, or is not."""
    def put(available):
        backend = ArrayAPIBackend("cupy", np)
        backend.available = lambda: available
        monkeypatch.setitem(backends.plugins.backends, "cupy", backend)
        return backend
    naming.all_backends()
    return put


@pytest.mark.parametrize("word", ["cuda", "gpu", "cuda:cpu", "cupy"])
def test_cuda_and_gpu_mean_cupy(word, stand_in):
    backend = stand_in(True)
    assert backends.place(word)[0] is backend
    with cnnkit.use(word) as used:
        assert used.name == "cupy"


@pytest.mark.parametrize("word", ["cuda", "gpu", "cuda:0"])
def test_what_is_missing_for_cuda_is_said(word, stand_in):
    stand_in("no CUDA device was found")
    with pytest.raises(backends.Unavailable, match="'cupy' is not available: no CUDA device was found"):
        cnnkit.use(word)
    with pytest.raises(backends.Unavailable, match="no CUDA device was found"):
        cnnkit.tensor([1.0]).to(word)


def test_auto_is_the_fastest_that_is_available(stand_in, monkeypatch):
    monkeypatch.setitem(backends.plugins.tables, "cpu", KernelTable("cpu", "numpy", {}, 10))
    stand_in(True)
    assert naming.canonical("auto") == "cupy"
    stand_in("no CUDA device was found")
    assert naming.canonical("auto") == "cpu"
    absent = KernelTable("cpu", "numpy", {}, 10, lambda: "not built")
    monkeypatch.setitem(backends.plugins.tables, "cpu", absent)
    assert naming.canonical("auto") == "numpy"
    with cnnkit.use("auto"):
        assert cnnkit.tensor([1.0]).backend == "numpy"
