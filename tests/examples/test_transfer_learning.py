"""The script runs, on a few photographs; what it learns from and what it measures on are what it says."""

import os
from pathlib import Path

import numpy as np
import pytest
import transfer_learning as script

DATA = Path(os.environ.get("CNNKIT_DATA", "none"))
needs_data = pytest.mark.skipif(not all((DATA / name).is_file() for name in (
    "sign_digits_64.npz", "weights/squeezenet1_1_bgr.safetensors")), reason="CNNKIT_DATA has no such folder")


@needs_data
@pytest.mark.heavy
@pytest.mark.parametrize("methods", [["frozen"], [*script.METHODS]])
def test_it_prints_its_table(capsys, methods):
    script.main(["--tiny", "--seeds", "0", "1", "--methods", *methods])
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()
            if line.startswith("| ")]
    assert rows[0][-3:] == ["seed 0", "seed 1", "mean"]
    assert [row[0] for row in rows[1:]] == [title for title, _ in script.METHODS.values()]
    for name, row in zip(script.METHODS, rows[1:]):
        if name in methods:
            first, second, mean = map(float, row[1:])
            assert abs((first + second) / 2 - mean) < 1e-4
        else:
            assert row[1:] == ["not yet run"] * 3


def test_a_script_that_was_stopped_goes_on_with_the_figures_it_has(tmp_path, monkeypatch, capsys):
    asked = []

    def method(data, seed, options):
        asked.append(seed)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return seed / 4
    monkeypatch.setattr(script, "METHODS", {"a": ("a method", method)})
    monkeypatch.setattr(script, "photographs", lambda tiny: None)
    arguments = ["--seeds", "1", "2", "3", "--cache", str(tmp_path / "kept")]
    with pytest.raises(KeyboardInterrupt):
        script.main(arguments)
    script.main(arguments)
    assert asked == [1, 2, 3, 3]
    assert "| a method | 0.2500 | 0.5000 | 0.7500 | 0.5000 |" in capsys.readouterr().out
    script.main([*arguments, "--epochs", "3"])
    assert asked[4:] == [1, 2, 3]


def test_each_seed_learns_from_500_photographs_of_its_own_and_measures_on_the_others():
    learn, test = script.split(1062, 3)
    assert (len(learn), len(test), len({*learn, *test})) == (500, 562, 1062)
    np.testing.assert_array_equal(learn, np.random.default_rng(3).permutation(1062)[:500])
    assert {*learn} != {*script.split(1062, 4)[0]}
