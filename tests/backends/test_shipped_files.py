"""Sources in other languages than Python: all that users compile is shipped, and their lines are short."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["setuptools"]["package-data"]
FOLDERS = ["cnnkit_cpu/ladder", "cnnkit_cupy/ladder", "cnnkit_cupy/cuda", "cnnkit_emulator/shim",
           *(f"cnnkit_softcuda/src/{part}" for part in ("blas", "device", "ptx", "run"))]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_source_of_the_folder_is_package_data(folder):
    files = (ROOT / "backends" / folder).iterdir()
    sources = {path for path in files if path.suffix in (".cpp", ".cu", ".cuh", ".h")}
    shipped = {path for package, patterns in PACKAGES.items() for pattern in patterns
               for path in (ROOT / "backends" / package.replace(".", "/")).glob(pattern)}
    assert sources
    assert sources <= shipped


def test_no_line_of_a_source_in_another_language_is_longer_than_110_columns():
    paths = [path for path in (ROOT / "backends").rglob("*") if path.suffix in (".cpp", ".cu", ".cuh", ".h")]
    assert len(paths) > 100
    assert [f"{path.relative_to(ROOT)}:{number}" for path in paths for number, line in
            enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if len(line) > 110] == []
