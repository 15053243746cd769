"""`storage.write`: the old contents or the new ones, in every state that a power cut may leave."""

import errno
import os
import subprocess
import sys

import pytest
from power_cut import Disk, states

from cnnkit import storage
from cnnkit.storage import writing

NEW, OLD = b"the new contents", b"old"


@pytest.fixture
def disk(monkeypatch):
    recorded = Disk()
    monkeypatch.setattr(writing, "os", recorded)
    return recorded


@pytest.mark.parametrize("before", [{}, {"net": OLD}])
def test_a_power_cut_leaves_the_old_or_the_new_contents(disk, tmp_path, before):
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    storage.write(tmp_path / "net", NEW)
    found = [state.get("net") for state in states(disk.calls, before)]
    assert set(found) == {before.get("net"), NEW}
    assert [state.get("net") for state in states([], {"net": (tmp_path / "net").read_bytes()})] == [NEW]
    assert disk.calls[-1] == ("flush folder", tmp_path)


@pytest.mark.parametrize("forgotten", ["flush", "flush folder"])
def test_the_emulated_power_cut_finds_a_write_that_forgets_to_flush(disk, tmp_path, forgotten):
    (tmp_path / "net").write_bytes(OLD)
    storage.write(tmp_path / "net", NEW)
    calls = [call for call in disk.calls if call[0] != forgotten]
    if forgotten == "flush":
        assert {OLD, NEW} < {state["net"] for state in states(calls, {"net": OLD})}
    else:  # after it has returned, the old contents may come back
        assert OLD in {state["net"] for state in states([*calls, ("done",)], {"net": OLD})}


@pytest.mark.parametrize("fails", ["open", "write", "fsync", "replace"])
def test_an_error_leaves_the_old_contents_and_no_temporary_file(monkeypatch, tmp_path, fails):
    (tmp_path / "net").write_bytes(OLD)

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    disk = Disk()
    monkeypatch.setattr(disk, fails, full, raising=False)
    monkeypatch.setattr(writing, "os", disk)
    with pytest.raises(OSError, match="No space"):
        storage.write(tmp_path / "net", NEW)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"net": OLD}


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_flushes_no_folder_is_passed_over(monkeypatch, tmp_path, code):
    class NoFolders(Disk):
        def fsync(self, handle):
            if self._files[handle].is_dir():
                raise OSError(code, os.strerror(code))

    monkeypatch.setattr(writing, "os", NoFolders())
    assert storage.write(tmp_path / "net", NEW).read_bytes() == NEW


def test_a_link_is_replaced_and_what_it_names_stays(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "net").symlink_to(tmp_path / "victim")
    storage.write(tmp_path / "net", NEW)
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "net").is_symlink()
    assert (tmp_path / "net").read_bytes() == NEW


def test_a_temporary_name_that_is_taken_is_not_written_through(monkeypatch, tmp_path):
    monkeypatch.setattr(writing.secrets, "token_hex", lambda count: "ab")
    (tmp_path / "victim").write_bytes(b"precious")
    temporary = tmp_path / f".net.{writing._machine()}-{os.getpid()}-ab.tmp"
    temporary.symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError):
        storage.write(tmp_path / "net", NEW)
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_what_killed_processes_have_left_is_swept_and_what_others_write_is_not(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True,
                          text=True, check=True).stdout.strip()
    names = {f".net.{writing._machine()}-{dead}-00ff.tmp": False,
             f".net.{writing._machine()}-{os.getppid()}-00ff.tmp": True,
             ".net.6f74686572-1-00ff.tmp": True, ".network.tmp": True, ".net.mine": True}
    for name in names:
        (tmp_path / name).touch()
    storage.write(tmp_path / "net", NEW)
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {"net", *(name for name, stays in names.items() if stays)}
    os.utime(tmp_path / ".net.6f74686572-1-00ff.tmp", (0, 0))
    storage.remove(tmp_path / "net")
    assert {file.name for file in tmp_path.iterdir()} == left - {"net", ".net.6f74686572-1-00ff.tmp"}


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        assert storage.write(tmp_path / "net", NEW).stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


def test_what_can_be_made_again_is_not_flushed(disk, tmp_path):
    storage.write(tmp_path / "cached", NEW, durable=False)
    assert {call[0] for call in disk.calls} == {"create", "write", "rename"}
    assert (tmp_path / "cached").read_bytes() == NEW
