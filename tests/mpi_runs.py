"""Starting `program.py` on several ranks."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "distributed" / "program.py"


def mpiexec() -> str:
    """The launcher; the test is skipped where there is none."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if importlib.util.find_spec("mpi4py") is None or found is None:
        pytest.skip("mpi4py and an MPI library are not installed (pip install 'cnnkit[mpi]')")
    return found


def start(ranks: int, settings: dict, program: Path = PROGRAM, **options) -> subprocess.Popen:
    command = [mpiexec(), "--with-ft", "ulfm", "--oversubscribe", "-n", str(ranks), sys.executable,
               str(program), json.dumps(settings)]
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=environment, text=True, errors="replace", **options)


def results(output: str) -> list[dict]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def run(ranks: int, settings: dict, status: int | None = 0,
        program: Path = PROGRAM) -> tuple[list[dict], str]:
    """What each rank prints, and the errors."""
    process = start(ranks, settings, program)
    output, errors = process.communicate(timeout=300)
    assert status is None or (process.returncode == 0) == (status == 0), errors[-3000:]
    return results(output), errors


def run_lines(ranks: int, settings: dict) -> list[str]:
    """The lines that a run prints, those of its progress too."""
    process = start(ranks, settings)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
    return [line for line in (output + errors).splitlines() if not line.startswith("{")]


def alone(settings: dict) -> dict:
    """What one process, without any launcher, prints."""
    done = subprocess.run([sys.executable, PROGRAM, json.dumps(settings)], capture_output=True, text=True,
                          check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return results(done.stdout)[0]
