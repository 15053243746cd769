"""``cnnkit warm-up``: what it asks of the backend, and what it says."""

import pytest

from cnnkit import backends
from cnnkit.cli import run


def test_a_backend_without_a_compiler_has_nothing_to_do(capsys):
    assert run(["warm-up", "lenet5", "--backend", "numpy"]) == 0
    assert capsys.readouterr().out == "numpy compiles nothing when it is first used\n"


def test_the_backend_gets_the_model_the_shape_and_the_kind_of_step(capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(backends.get("numpy"), "warm_up",
                        lambda model, *rest: asked.append((type(model).__name__, *rest)) or "ready",
                        raising=False)
    assert run(["warm-up", "lenet5", "--backend", "numpy", "--batch", "8", "--input-shape", "1,28,28",
                "--inference", "--dtype", "float16"]) == 0
    assert capsys.readouterr().out == "ready\n"
    assert asked == [("LeNet5", (1, 28, 28), 8, False, "float16")]


def test_an_unknown_dtype_is_refused(capsys):
    assert run(["warm-up", "lenet5", "--dtype", "float8"]) == 2
    assert "--dtype float8: there are float32, float16, bfloat16" in capsys.readouterr().err


@pytest.mark.parametrize("batch", ["0", "-1"])
def test_a_batch_has_an_image(capsys, batch):
    assert run(["warm-up", "lenet5", "--batch", batch]) == 2
