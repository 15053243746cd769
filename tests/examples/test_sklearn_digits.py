"""The script runs, on a setting that takes seconds."""

import pytest


def test_sklearn_digits_prints_a_row_for_each_classifier(capsys, monkeypatch):
    pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")
    import sklearn_digits as script

    monkeypatch.setattr(script, "SEEDS", (0,))
    script.main(max_epochs=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert all("mean" in line for line in lines if line.startswith("  "))
