"""``cnnkit explain``: what it prints of a model by name or from a file, as text and as JSON."""

import json

import pytest

from cnnkit.cli import run

SMALL = ["explain", "CommonCNN", "--input-shape", "1,8,8", "--classes", "3", "--backend", "numpy"]


def test_it_prints_which_kernel_serves_each_call(capsys):
    assert run([*SMALL, "--batch", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        "CommonCNN on (2, 1, 8, 8)",
        "",
        "features.conv1+features.relu1+features.pool1",
        "    conv+relu+max_pool: (2, 1, 8, 8) -> (2, 8, 4, 4), float32",
        "    numpy: cnnkit_numpy.conv_relu_pool.conv2d_relu_max_pool2d (one kernel for 3",
        "      ops)"]
    assert lines[-1] == "8 kernel calls: 8 by numpy; 1 fused"
    assert max(map(len, lines)) <= 80


def test_json_has_the_rows(capsys):
    assert run([*SMALL, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["model"], report["inputs"]) == ("CommonCNN", [[32, 1, 8, 8]])
    assert report["rows"][0]["layer"] == "features.conv1+features.relu1+features.pool1"
    assert report["rows"][-1]["output"] == [32, 3]
    assert {row["backward"] for row in report["rows"]} == {False}


def test_training_shows_the_way_back(capsys):
    assert run([*SMALL, "--training"]) == 0
    assert "\nThe way back:\n\nclassifier.fc2\n" in capsys.readouterr().out


def test_without_training_the_model_runs_as_predict_runs_it(capsys, monkeypatch):
    import cnnkit

    modes = []
    explain = cnnkit.inspection.explain

    def recording(model, *inputs, **settings):
        modes.append((model.training, cnnkit.autograd.is_grad_enabled()))
        return explain(model, *inputs, **settings)

    monkeypatch.setattr("cnnkit.explain", recording)
    assert run(SMALL) == 0
    assert run([*SMALL, "--training"]) == 0
    assert modes == [(False, False), (True, True)]


def test_a_saved_model_has_its_own_shape(capsys, trained):
    assert run(["explain", str(trained[0]), "--batch", "5", "--backend", "numpy"]) == 0
    assert capsys.readouterr().out.startswith("CommonCNN on (5, 1, 8, 8)\n")


@pytest.mark.parametrize(("arguments", "message"), [
    (["nothing"], "nothing is neither a saved model's file nor one of"),
    (["CNN", "--backend", "nowhere"], "there is no backend 'nowhere'"),
    (["CNN", "--batch", "0"], "--batch"),
])
def test_a_mistake_is_one_line(capsys, arguments, message):
    assert run(["explain", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_analyze_adds_the_time_of_each_kernel(capsys):
    assert run([*SMALL, "--json", "--analyze"]) == 0
    assert all(row["seconds"] > 0 for row in json.loads(capsys.readouterr().out)["rows"])
