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
MOST_OF_DEEP = {"resnet18": 143, "resnet50": 312}
IN_FIT = 7  # more: two gather the batch, five count what is right
PYTHON = {"W1": 500, "resnet18": 6350}  # calls of Python's functions, in version 3.11


@pytest.fixture
def requests(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "asv_benchmarks"))
    from benchmarks import requests

    yield requests
    cnnkit.use(None)
    for name in [n for n in sys.modules if n.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


def asked_for(counted):
    """What was asked for beside launches."""
    return {what: n for what, n in counted.items()
            if n and what not in ("launches", "host_us", "python_calls")}


@pytest.mark.parametrize("name", MOST)
def test_a_step_after_the_first_launches_kernels_and_asks_for_nothing_else(requests, name):
    counted = requests.counted(name)
    assert counted["launches"] <= MOST[name]
    assert counted["host_us"] > 0
    assert asked_for(counted) == {}  # no copy, allocation, wait, or call of cuBLAS


@pytest.mark.parametrize("name", MOST_OF_DEEP)
def test_so_does_a_step_of_a_deep_network(requests, name):
    counted = requests.on_software_device(name)
    assert counted["launches"] <= MOST_OF_DEEP[name]
    assert asked_for(counted) == {}


@pytest.mark.parametrize("name", PYTHON)
def test_a_step_calls_no_more_functions_of_pythons_than_it_did(requests, name):
    assert requests.on_software_device(name)["python_calls"] <= PYTHON[name]


@pytest.mark.parametrize("name", MOST)
def test_a_step_of_fit_uploads_where_its_samples_are_and_waits_for_nothing(requests, name):
    counted = requests.counted_in_fit(name)
    assert counted["launches"] <= MOST[name] + IN_FIT
    asked = asked_for(counted)
    assert asked.pop("queries") >= 1  # whether a buffer is free: more often where streams run late
    assert asked == {"copies_to_device": 1, "bytes_to_device": 8 * 4, "event_records": 1}  # of four samples
