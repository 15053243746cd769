"""Damaged and malicious weight files are accepted or refused by one error, run no code, take little memory.

The suite reads 160 of them, and 1,000 with ``--heavy``; ``CNNKIT_DAMAGED=2000`` reads as many as it says, in
a process whose memory is limited.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from damaged_weights import outcomes

COUNT = int(os.environ.get("CNNKIT_DAMAGED", "0"))


@pytest.mark.parametrize(("count", "seed"), [(160, 0), pytest.param(1000, 1, marks=pytest.mark.heavy)])
def test_damaged_weights_are_accepted_or_refused(tmp_path, monkeypatch, count, seed):
    monkeypatch.chdir(tmp_path)  # where code that runs would leave its file
    results = list(outcomes(tmp_path, count, seed))
    assert [f"{name}: {result}" for name, result in results if result not in ("accepted", "refused")] == []
    assert {name for name, result in results if result == "refused"} == {name for name, _ in results}
    assert sum(result == "refused" for _, result in results) > count // 2


@pytest.mark.skipif(not COUNT, reason="CNNKIT_DAMAGED says how many; .ci/run reads 2000")
def test_many_damaged_weights_take_little_memory(tmp_path):
    root = Path(__file__).parents[1]
    result = subprocess.run([sys.executable, root / "tests" / "damaged_weights.py", str(COUNT), "2"],
                            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True,
                            text=True, check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
