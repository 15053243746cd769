"""The scripts for published figures run on a few images, do no run twice, and keep the published limits."""

import dataclasses
import json

import fashion_mnist
import images
import mnist_lenet5
import published
import pytest

from cnnkit import nn
from cnnkit.inspection import summary
from cnnkit.train.callbacks import Checkpoint, TimeLimit


def rows(text):
    """Cells of the first table, without its head."""
    text = text.split("Trained on")[0]
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("script", [
    pytest.param(fashion_mnist, marks=pytest.mark.heavy, id="fashion_mnist"),
    pytest.param(mnist_lenet5, id="mnist_lenet5")])
def test_it_prints_its_table_and_keeps_what_is_done(script, tmp_path, capsys, monkeypatch):
    command = ["--tiny", "--seeds", "0", "1", "--folder", str(tmp_path)]
    script.main(command)
    printed = rows(capsys.readouterr().out)
    assert [row[0] for row in printed] == list(script.TARGETS)
    for row, target in zip(printed, script.TARGETS.values()):
        first, second, mean, goal = map(float, row[3:7])
        assert mean == pytest.approx((first + second) / 2, abs=1e-4)
        assert row[7] == ("reached" if mean >= goal else "missed")
        assert goal == target.accuracy
    monkeypatch.setattr(published, "trained", None)  # nothing is trained again
    script.main(command)
    assert rows(capsys.readouterr().out) == printed


def test_a_run_that_was_stopped_goes_on_to_the_same_figure(tmp_path, capsys):
    target = mnist_lenet5.TARGETS["lenet5"]
    recipe = dataclasses.replace(target.recipe, epochs=2, batch_size=32)
    parts = images.training_and_test("MNIST", tiny=True)
    _, history = published.trained(target, recipe, parts[0], 0,
                                   callbacks=[Checkpoint(tmp_path / "b"), TimeLimit(seconds=0.001)])
    assert history.interrupted
    capsys.readouterr()
    for folder in ("a", "b"):
        published.result(target, recipe, parts, 0, tmp_path / folder)
        assert ("Going on in epoch 1 of 2" in capsys.readouterr().out) == (folder == "b")
    whole, resumed = (published.recorded(recipe, tmp_path / folder)["accuracy"] for folder in ("a", "b"))
    assert whole == resumed
    weights = [(tmp_path / folder).glob("*.safetensors") for folder in ("a", "b")]
    assert len({max(files).read_bytes() for files in weights}) == 1


def test_what_was_not_run_is_said(tmp_path, capsys):
    mnist_lenet5.main(["--tiny", "--seeds", "0", "--folder", str(tmp_path)])
    capsys.readouterr()
    mnist_lenet5.main(["--tiny", "--seeds", "0", "1", "--no-training", "--folder", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "What is not yet run: `python examples/mnist_lenet5.py --nets lenet5 --write`." in printed
    (row,) = rows(printed)
    assert row[4:6] == ["not yet run", "not yet run"]
    assert row[7] == "not yet run"


def test_a_run_with_another_recipe_is_not_passed_off(tmp_path, capsys):
    command = ["--tiny", "--seeds", "0", "--folder", str(tmp_path)]
    mnist_lenet5.main(command)
    file = next(tmp_path.glob("*/result.json"))
    record = json.loads(file.read_text())
    record["recipe"]["lr"] = 1.0
    file.write_text(json.dumps(record))
    with pytest.raises(SystemExit, match="another --folder"):
        mnist_lenet5.main(command)


def test_recipes_are_chosen_by_training_images(capsys, monkeypatch):
    calls = []

    def trained(target, recipe, training, seed, validation, progress):
        calls.append((training, validation))
        return None, published.train.History([published.train.Epoch(1, 0, 0, 0, 0, 0, 0.5)])

    monkeypatch.setattr(published, "trained", trained)
    mnist_lenet5.main(["--tiny", "--validate", "--seeds", "0"])
    ((training, held_out),) = calls
    assert len(training) + len(held_out) == 128
    assert not set(training.indices) & set(held_out.indices)
    assert training.dataset is held_out.dataset
    assert "0.5000 of the held-out images" in capsys.readouterr().out


def test_architectures_are_those_of_the_published_rows():
    for net, target in fashion_mnist.TARGETS.items():
        layers = list(target.net().modules())
        assert sum(isinstance(layer, nn.Conv2d) for layer in layers) == 2
        assert any(isinstance(layer, nn.BatchNorm2d) for layer in layers) == (net == "batch_norm")
        assert any(isinstance(layer, nn.MaxPool2d) for layer in layers)
    assert summary(fashion_mnist.TARGETS["small"].net(), (1, 28, 28)).parameters < 100_000
    assert summary(mnist_lenet5.lenet5(), (1, 28, 28)).parameters == 61706
