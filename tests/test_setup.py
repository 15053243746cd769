"""The build from a checkout: instruction sets, what is kept of a failure, an editable install's path.

Nothing is compiled here: no instruction set is asked for, or the compiler is one that fails.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("setuptools", minversion="77")
ROOT = Path(__file__).parents[1]
BUILD = "import sys; from setuptools import build_meta; build_meta.build_editable(sys.argv[1])"


def run(*command, folder, **environment):
    return subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, **environment}, check=False)


@pytest.fixture
def clone(tmp_path):
    """A folder called ``cnnkit`` with what the build looks at."""
    folder = tmp_path / "cnnkit"
    (folder / "cnnkit").mkdir(parents=True)
    (folder / "cnnkit" / "__init__.py").write_text("here = True\n")
    shutil.copytree(ROOT / "backends" / "cnnkit_cpu" / "src", folder / "backends" / "cnnkit_cpu" / "src")
    for name in ("__init__.py", "libcnnkit_avx2.so"):  # the library is an earlier build's
        (folder / "backends" / "cnnkit_cpu" / name).touch()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def test_an_editable_install_is_found_from_the_folder_that_holds_the_clone(clone, tmp_path):
    process = run("-c", BUILD, str(tmp_path), folder=clone, CNNKIT_ISAS="none")
    assert process.returncode == 0, process.stderr
    wheel, = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = f"import site; site.addsitedir({str(tmp_path / 'site')!r}); import cnnkit, cnnkit_cpu; cnnkit.here"
    # without the packages that are installed here: the real cnnkit may be among them
    assert run("-S", "-c", code, folder=tmp_path, PYTHONPATH="").stderr == ""
    assert not [*clone.glob("backends/cnnkit_cpu/*.so")]


def test_a_failing_compiler_fails_no_install_and_its_words_are_kept(clone, tmp_path):
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\necho 'a.h:3: error: no such builtin' >&2\nexit 1\n")
    compiler.chmod(0o755)
    process = run("-c", BUILD, str(tmp_path), folder=clone, CC=str(compiler), CXX=str(compiler))
    assert process.returncode == 0, process.stderr
    report = json.loads((clone / "backends" / "cnnkit_cpu" / "build.json").read_text())
    assert report["failures"] == {"generic": f"{compiler} failed: a.h:3: error: no such builtin"}


def test_an_unknown_instruction_set_is_refused():
    process = run("setup.py", "--name", folder=ROOT, CNNKIT_ISAS="avx2,mmx")
    assert "CNNKIT_ISAS=avx2,mmx: mmx is no instruction set; set it to native, all, none" in process.stderr
