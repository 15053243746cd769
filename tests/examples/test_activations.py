"""The script runs, on a few images; its figures are those that the diagnosis measured."""

import contextlib
import io

import activations as script
import pytest

from cnnkit import nn, random


@pytest.fixture(scope="module")
def rows():
    """The cells of every line of every table that the script prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        script.main(["--tiny", "--seeds", "0", "--epochs", "1"])
    return [line.strip("| ").split(" | ") for line in printed.getvalue().splitlines()
            if line.startswith("| ")]


def test_it_prints_its_tables(rows):
    norms = {row[0]: row[1:] for row in rows if len(row) == 12}
    assert norms["activation"][:-1] == [*(f"conv{n}" for n in range(1, 9)), "fc1", "fc2"]
    first, *_, last, ratio = map(float, norms["sigmoid, seed 0"])
    assert ratio == pytest.approx(first / last, rel=0.1)
    assert ([row[:2] for row in rows if len(row) in (4, 5) and row[0] == "relu"]
            == [["relu", "0.001"], ["relu", "0.03"]] * 2)


def test_the_gradient_vanishes_through_sigmoids_but_not_through_tanhs_that_begin_well(rows):
    first_over_last = {row[0]: float(row[-1]) for row in rows if row[0].endswith(", mean")}
    assert first_over_last.pop("sigmoid, mean") < 1e-3
    assert len(first_over_last) == 3
    assert min(first_over_last.values()) > 0.1


def test_kaimings_weights_keep_the_signal_through_ten_layers_of_relu():
    random.seed(0)
    model = script.ten_layers()
    script.kaiming(model, "relu")
    weight, bias = model.classifier.fc1.weight, model.classifier.fc1.bias
    assert weight.numpy().std() == pytest.approx((2 / weight.shape[1]) ** 0.5, rel=0.05)
    assert not bias.numpy().any()


def test_dead_is_the_mean_of_the_relu_layers_when_the_last_epoch_began():
    layers = [{"dead": None, "gradient": 1.0}, {"dead": 0.5, "gradient": None},
              {"dead": 0.0, "gradient": None}]
    diagnose = script.Diagnose()
    diagnose.probes = [{"step": 0, "layers": [{"dead": 0.9, "gradient": 3.0}]}, {"step": 9, "layers": layers}]
    assert script.dead_share(diagnose) == 0.25
    assert script.gradient_norms(diagnose) == [3.0]
    assert isinstance(script.ten_layers("tanh").features.tanh1, nn.Tanh)
