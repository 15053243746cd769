"""The cache of built kernels: what was cut off or altered is never loaded, but built anew."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from cnnkit_emulator import build
from power_cut import Disk, cuts, lay_out

pytestmark = pytest.mark.skipif(build.available() is not True, reason=str(build.available()))

def library(number, folder):
    """The bytes of a library whose function ``answer`` gives a number."""
    source = folder / f"{number}.c"
    source.write_text(f"int answer() {{ return {number}; }}\n")
    built = source.with_suffix(".so")
    subprocess.run([build.compiler(), "-xc", "-shared", "-fPIC", str(source), "-o", str(built)], check=True)
    return built.read_bytes()


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    return library(42, tmp_path_factory.mktemp("right"))


@pytest.fixture
def builds(monkeypatch, right):
    """What the compiler was asked for; it always makes the right library."""
    calls, real = [], subprocess.run

    def compiled(command, *arguments, **keywords):
        if "-o" not in command:
            return real(command, *arguments, **keywords)
        calls.append(command)
        Path(command[-1]).write_bytes(right)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(build, "subprocess", SimpleNamespace(run=compiled))
    return calls


@pytest.fixture
def cache(tmp_path, monkeypatch, builds):
    """An empty cache: called, it gives the library of a source."""
    monkeypatch.setattr(build, "cache_folder", lambda: tmp_path)
    return lambda: build._compiled("int answer();", ("-O0",), Path("runtime.o"))


def answer(path, folder):
    """What the library says; from a copy, because the system loads each path once."""
    copy = shutil.copy(path, folder / f"copy{len(list(folder.iterdir()))}.so")
    return ctypes.CDLL(str(copy)).answer()


def altered(path, content):
    path.unlink()
    path.write_bytes(content)


def truncated(path):
    altered(path, path.read_bytes()[:1000])


def emptied(path):
    altered(path, b"")


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    altered(path, bytes(content))


def planted(path):
    """Another library, which loads, under the name of the right one."""
    altered(path, library(13, path.parent))


def made_a_folder(path):
    path.unlink()
    path.mkdir()


def made_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [planted, truncated, emptied, flipped, made_a_pipe])
def test_a_library_that_was_altered_is_never_loaded_and_built_anew(cache, builds, damage, tmp_path):
    path = cache()
    assert (answer(path, tmp_path), len(builds)) == (42, 2)
    assert (cache(), len(builds)) == (path, 2)
    damage(path)
    builds.clear()
    again = cache()
    assert (answer(again, tmp_path), len(builds)) == (42, 2)
    assert (cache(), len(builds)) == (again, 2)
    assert len(list(tmp_path.glob("*-*.so"))) == 1


def test_a_folder_of_that_name_is_no_library(cache, builds, tmp_path):
    made_a_folder(cache())
    with pytest.raises(IsADirectoryError):  # nothing is loaded, and the error names what is in the way
        cache()


def test_without_the_check_the_planted_library_would_be_loaded(cache, monkeypatch, tmp_path):
    path = cache()
    planted(path)
    monkeypatch.setattr(build, "_is_whole", lambda path: True)
    assert answer(cache(), tmp_path) == 13


@pytest.mark.parametrize("flushes", [True, False])
def test_after_a_power_cut_the_library_is_whole_or_built_anew(cache, builds, flushes, right, monkeypatch,
                                                                      tmp_path):
    """Also on a disk that does not flush when it is asked to."""
    disk = Disk(tmp_path / "cache")
    disk.root.mkdir()
    (tmp_path / "copies").mkdir()
    monkeypatch.setattr(build, "cache_folder", lambda: disk.root)
    with monkeypatch.context() as patch:
        disk.everywhere(patch)
        cache()
    disk.check({})
    calls, rebuilt = [call for call in disk.calls if flushes or call[0] != "flush"], []
    for number, (_, state) in enumerate(cuts(calls, {}, disk.root)):
        folder = tmp_path / f"found{number}"
        folder.mkdir()
        monkeypatch.setattr(build, "cache_folder", lambda folder=folder: folder)
        torn = any(content != right for name, content in state.items() if not name.startswith("."))
        builds.clear()
        lay_out(state, folder)
        assert answer(cache(), tmp_path / "copies") == 42
        rebuilt.append((torn, bool(builds)))
    assert (True, False) not in rebuilt
    assert {(False, False), (False, True)} <= set(rebuilt)
    assert ((True, True) in rebuilt) == (not flushes)
