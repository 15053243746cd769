"""Private folders: what others own or can write to is not one."""

import os
import tempfile

import pytest

from cnnkit.storage import private_folder


def test_a_new_folder_is_closed_to_others(tmp_path):
    folder = private_folder(tmp_path / "a" / "b", name="x")
    assert folder == tmp_path / "a" / "b"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_an_open_folder_is_closed(tmp_path):
    (tmp_path / "a").mkdir()
    os.chmod(tmp_path / "a", 0o777)
    assert private_folder(tmp_path / "a", name="x").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_belongs_to_others_is_passed_over(tmp_path, monkeypatch, what):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "a").mkdir()
    if what == "folder":
        os.chown(tmp_path / "a", 12345, 12345)
    else:
        os.chmod(tmp_path / "a", 0o777)
        (tmp_path / "a" / "planted.so").touch()
        os.chown(tmp_path / "a" / "planted.so", 12345, 12345)
    assert private_folder(tmp_path / "a", name="cache") == tmp_path / f"cache-{os.getuid()}"


def test_a_link_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone" / "\0"))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    with pytest.raises((PermissionError, ValueError)):
        private_folder(tmp_path / "b", name="x")
