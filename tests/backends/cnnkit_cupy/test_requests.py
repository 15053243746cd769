"""What a step asks of a GPU, counted on the software device; see asv_benchmarks/benchmarks/requests.py."""

import sys
from pathlib import Path

import pytest

import cnnkit

cnnkit_softcuda = pytest.importorskip("cnnkit_softcuda")
pytestmark = pytest.mark.skipif(not cnnkit_softcuda.loaded(),
                                reason="not on the software device, which counts")
ROOT = Path(__file__).resolve().parents[3]
MOST = {"W1": 8, "W2": 13, "lenet5": 15, "mobilenet": 27}


@pytest.fixture
def requests(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "asv_benchmarks"))
    from benchmarks import requests

    yield requests
    cnnkit.use(None)
    for name in [n for n in sys.modules if n.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


@pytest.mark.parametrize("name", [*MOST, pytest.param("resnet18", marks=pytest.mark.heavy)])
def test_a_step_after_the_first_launches_kernels_and_asks_for_nothing_else(requests, name):
    counted = requests.counted(name)
    assert counted.pop("launches") <= {**MOST, "resnet18": 153}[name]
    assert counted.pop("host_us") > 0
    assert {what: n for what, n in counted.items() if n} == {}  # no copy, allocation, wait, or call of cuBLAS
