"""`storage.write`: the old contents or the new ones, in every state that a power cut may leave."""

import errno
import os
import subprocess
import sys

import pytest
from power_cut import Disk, cuts

from cnnkit import storage
from cnnkit.storage import writing

NEW, OLD = b"the new contents", b"old"


@pytest.fixture
def disk(monkeypatch, tmp_path):
    recorded = Disk(tmp_path)
    monkeypatch.setattr(writing, "os", recorded)
    return recorded


@pytest.mark.parametrize("before", [{}, {"net": OLD}])
def test_a_power_cut_leaves_the_old_or_the_new_contents(disk, tmp_path, before):
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    storage.write(tmp_path / "net", NEW)
    assert {state.get("net") for state in disk.states(before)} == {before.get("net"), NEW}
    assert {state.get("net") for cut, state in cuts(disk.calls, before, tmp_path)
            if cut == len(disk.calls)} == {NEW}
    disk.check(before)


@pytest.mark.parametrize("forgotten", ["flush", "flush folder"])
def test_the_emulated_power_cut_finds_a_write_that_forgets_to_flush(disk, tmp_path, forgotten):
    (tmp_path / "net").write_bytes(OLD)
    storage.write(tmp_path / "net", NEW)
    calls = [call for call in disk.calls if call[0] != forgotten]
    if forgotten == "flush":
        assert {OLD, NEW} < {state["net"] for _, state in cuts(calls, {"net": OLD}, tmp_path)}
    else:  # after it has returned, the old contents may come back
        assert OLD in {state["net"] for cut, state in cuts(calls, {"net": OLD}, tmp_path)
                       if cut == len(calls)}


def test_the_emulated_power_cut_finds_a_write_that_it_has_not_seen(disk, tmp_path):
    storage.write(tmp_path / "net", NEW)
    disk.check({})
    (tmp_path / "log").write_bytes(NEW)
    with pytest.raises(AssertionError, match=r"not recorded: \['log'\]"):
        disk.check({})


@pytest.mark.parametrize("fails", ["open", "write", "fsync", "replace"])
def test_an_error_leaves_the_old_contents_and_no_temporary_file(monkeypatch, tmp_path, fails):
    (tmp_path / "net").write_bytes(OLD)

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    disk = Disk(tmp_path)
    monkeypatch.setattr(disk, fails, full, raising=False)
    monkeypatch.setattr(writing, "os", disk)
    with pytest.raises(OSError, match="No space") as caught:
        storage.write(tmp_path / "net", NEW)
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "net"), None)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"net": OLD}


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_flushes_no_folder_is_passed_over(monkeypatch, tmp_path, code):
    class NoFolders(Disk):
        def fsync(self, handle):
            if os.path.isdir(self._files[handle]):
                raise OSError(code, os.strerror(code))

    monkeypatch.setattr(writing, "os", NoFolders(tmp_path))
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


@pytest.mark.parametrize("durable", [True, False])
def test_what_is_added_to_a_file_never_costs_what_was_there(disk, tmp_path, durable):
    before = {"log": b"one\n"}
    (tmp_path / "log").write_bytes(before["log"])
    storage.append(tmp_path / "log", b"two\n", durable=durable)
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    disk.check(before)
    found = {state["log"] for state in disk.states(before)}
    assert {b"one\n", b"one\ntw", b"one\n\0\0\0\0", b"one\ntwo\n"} <= found
    assert all(content.startswith(b"one\n") for content in found)
    last = {state["log"] for cut, state in cuts(disk.calls, before, tmp_path) if cut == len(disk.calls)}
    assert (last == {b"one\ntwo\n"}) == durable


def test_what_cannot_be_flushed_is_added_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    storage.append(tmp_path / "pipe", b"line\n")
    assert os.read(reader, 9) == b"line\n"
    os.close(reader)


def test_new_folders_are_as_certain_as_what_is_written_into_them(tmp_path, monkeypatch):
    disk = Disk(tmp_path)
    with monkeypatch.context() as patch:
        disk.everywhere(patch)
        storage.write(storage.make_folder(tmp_path / "a" / "b") / "net", NEW)
        storage.make_folder(tmp_path / "a" / "b")
    disk.check({})

    def last(calls):
        return {state.get("a/b/net") for cut, state in cuts(calls, {}, tmp_path) if cut == len(calls)}
    assert last(disk.calls) == {NEW}
    assert None in last([call for call in disk.calls if call[:2] != ("flush folder", tmp_path)])
