"""`cnnkit bench`: every network, mode and batch size of every backend that is asked for, in turns."""

import json

import pytest

import cnnkit
from cnnkit import backends
from cnnkit.cli import benching, run


def test_every_combination_is_measured_and_printed(capsys):
    assert run(["bench", "--backend", "numpy", "--seconds", "0", "--batch-size", "2",
                "--batch-size", "3"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["network", "mode", "batch", "backend", "images/s", "quartiles", "rounds"]
    assert [line[:4] for line in lines[1:]] == [[network, mode, batch, "numpy"]
                                                for network in ("common", "guide")
                                                for mode in ("inference", "training") for batch in "23"]


def test_json_has_medians_and_spread(capsys):
    assert run(["bench", "--backend", "numpy", "--seconds", "0", "--batch-size", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["threads"] >= 1
    for figure in found["figures"]:
        assert 0 < figure["low"] <= figure["images_per_second"] <= figure["high"]
        assert figure["rounds"] == benching.LEAST


def test_the_rounds_go_in_turns(monkeypatch):
    order = []
    monkeypatch.setattr(benching, "_steps",
                        lambda network, batch: {"training": lambda: order.append((network, batch))})
    monkeypatch.setattr(benching, "TURN", 0)
    figures, failed = benching.measure(["numpy"], [1, 2], 0)
    assert failed == {}
    assert order[8:] == [("guide", 1), ("guide", 2), ("common", 1), ("common", 2)] * benching.LEAST
    assert [len(figure.rates) for figure in figures] == [benching.LEAST] * 4


def test_those_that_are_not_for_speed_are_measured_only_where_they_are_named(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(benching, "measure",
                        lambda names, sizes, seconds: (calls.append((names, sizes, seconds)) or [], {}))
    assert run(["bench", "--seconds", "5"]) == run(["bench", "--backend", "array-api-strict"]) == 0
    assert "numpy" in calls[0][0]
    assert {*benching.SLOW, "numpy-readonly"} & set(calls[0][0]) == set()
    assert calls[0][1:] == ([32, 128], 5.0)
    assert calls[1][0] == ["array-api-strict"]


def test_a_backend_that_breaks_costs_only_its_own_figures(capsys):
    def broken(*arrays, **attrs):
        raise RuntimeError("out of luck")

    backends.register_table(backends.KernelTable("broken", "numpy", {"conv": broken}, priority=-1))
    try:
        assert run(["bench", "--backend", "broken", "--backend", "numpy", "--seconds", "0",
                    "--batch-size", "2"]) == 1
    finally:
        backends.register_table(remove="broken")
    out, err = capsys.readouterr()
    assert "broken could not be measured: RuntimeError: out of luck" in err
    assert {line.split()[3] for line in out.splitlines()[1:]} == {"numpy"}


@pytest.mark.parametrize("name", ["nothing", "cupy"])
def test_a_backend_that_is_not_here_is_status_2(name, capsys):
    if name == "cupy" and any(row.name == "cupy" and row.available for row in backends.list()):
        pytest.skip("CuPy is here")
    assert run(["bench", "--backend", name]) == 2
    assert f"--backend {name}" in capsys.readouterr().err


@pytest.mark.heavy
def test_the_roofline_and_every_kernels_share_of_it(capsys, monkeypatch):
    from cnnkit.inspection import Roofline, machine

    monkeypatch.setattr(machine, "_known", {("numpy", ("numpy",), cnnkit.get_num_threads()):
                                            Roofline(1e9, 1e10, 1, "as a test says")})
    assert run(["bench", "--roofline", "--backend", "numpy", "--batch-size", "2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("numpy: 1.0 GFLOP/s, 10.0 GB/s on 1 thread (as a test says)\n")
    assert "classifier.fc1" in out
    assert run(["bench", "--roofline", "--backend", "numpy", "--batch-size", "2", "--json"]) == 0
    report, = json.loads(capsys.readouterr().out)
    assert report["bandwidth"] == 1e10
    assert {call["network"] for call in report["calls"]} == {"guide", "common"}
