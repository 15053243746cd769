"""The scripts of examples/ run, on a setting that takes seconds."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sklearn_digits_prints_a_row_for_each_classifier(capsys, monkeypatch):
    pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")
    script = load("sklearn_digits")
    monkeypatch.setattr(script, "SEEDS", (0,))
    script.main(max_epochs=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert all("mean" in line for line in lines if line.startswith("  "))
