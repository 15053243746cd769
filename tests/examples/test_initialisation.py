"""The script runs, on a few images, and the diagnosis names what is bad."""

import initialisation as script
import numpy as np
import pytest

from cnnkit import random


def test_it_prints_its_tables(capsys):
    script.main(["--tiny", "--seeds", "0", "--epochs", "1"])
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()
            if line.startswith("| ")]
    diagnoses = [(row[0], row[-1]) for row in rows if row[0] in script.INITIALISATIONS]
    assert len(diagnoses) == 2 * len(script.INITIALISATIONS)
    for name, diagnosis in diagnoses:
        assert ("bad initialisation" in diagnosis) == (name in list(script.INITIALISATIONS)[:3]), name
    deep = dict(diagnoses[len(script.INITIALISATIONS):])
    assert "vanishing gradients" in deep["PyTorch's default"]
    assert deep["Kaiming, uniform"] == "nothing"


@pytest.mark.parametrize("name", script.INITIALISATIONS)
def test_weights_get_the_deviation_that_their_name_promises(name):
    random.seed(0)
    model = script.ten_layers()
    before = [p.numpy().copy() for p in model.parameters()]
    script.initialise(model, script.INITIALISATIONS[name])
    weight, bias = model.classifier.fc1.weight.numpy(), model.classifier.fc1.bias.numpy()
    outputs, inputs = weight.shape
    expected = {"all 0.01": 0.0, "normal, deviation 0.001": 0.001, "normal, deviation 1": 1.0,
                "PyTorch's default": (1 / 3 / inputs) ** 0.5,
                "Xavier, uniform": (2 / (inputs + outputs)) ** 0.5, "Kaiming, uniform": (2 / inputs) ** 0.5}
    assert weight.std() == pytest.approx(expected[name], rel=0.05, abs=1e-6)
    changed = [bool(np.any(old != p.numpy())) for old, p in zip(before, model.parameters())]
    assert changed == [script.INITIALISATIONS[name] is not None] * len(before)
    assert (not bias.any()) == (script.INITIALISATIONS[name] is not None)
