"""What the plug-ins' wheel has besides Python files: every source that is compiled on the user's machine."""

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
