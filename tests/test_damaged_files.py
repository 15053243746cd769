"""Damaged files of every format are accepted or refused by one error, and take little memory.

The suite reads 230 of them; ``CNNKIT_DAMAGED=2000 pytest tests/test_damaged_files.py`` reads more, in a
process whose memory is limited.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from damaged_files import outcomes

COUNT = int(os.environ.get("CNNKIT_DAMAGED", "0"))


def test_damaged_files_are_accepted_or_refused(tmp_path):
    results = list(outcomes(tmp_path, 230))
    assert [f"{name}: {result}" for name, result in results if result not in ("accepted", "refused")] == []
    assert sum(result == "refused" for _, result in results) > 100


@pytest.mark.skipif(not COUNT, reason="CNNKIT_DAMAGED says how many; .ci/run reads 2000")
def test_many_damaged_files_take_little_memory():
    root = Path(__file__).parents[1]
    result = subprocess.run([sys.executable, root / "tests" / "damaged_files.py", str(COUNT), "1"],
                            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True,
                            text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
