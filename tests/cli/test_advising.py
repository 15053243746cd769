"""`cnnkit advise`: a table or JSON, and a status that says whether to use a CNN."""

import json

import numpy as np
import pytest

from cnnkit.cli import run


@pytest.fixture
def noise(elsewhere):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, 400)
    np.savez("noise.npz",
             x=(rng.normal(0, 0.4, (5, 10, 10))[y] + rng.normal(size=(400, 10, 10))).astype("float32"), y=y)
    return "noise.npz"


@pytest.mark.heavy
def test_data_without_structure_are_advised_against_by_status_1(noise, capsys):
    assert run(["advise", noise, "--updates", "100", "--seeds", "1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "noise.npz: learnt from 300 images, measured on 100 others"
    assert lines[-1].startswith("Verdict: avoid a CNN")
    for words in ("Your data has spatial hierarchies", "You have limited training data",
                  "Computational cost"):
        assert any(line.strip().startswith(words) for line in lines)


def test_the_digits_are_fit_for_a_cnn_as_json(capsys):
    assert run(["advise", "digits", "--json", "--updates", "200", "--seeds", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["data"], found["use"], found["images"]) == ("digits", True, 1079)
    assert len(found["findings"]) == 11
    assert found["trials"]["accuracy"]["cnn"] > found["trials"]["accuracy"]["linear"]
    assert found["balance"]["counts"][0] > 100


def test_a_mistake_is_status_2(capsys):
    assert run(["advise", "nothing"]) == 2
    assert "there is no data 'nothing'" in capsys.readouterr().err
