"""Reading: a pipe does not hang, a large file is refused before it is read."""

import os

import pytest

from cnnkit import storage


def test_a_regular_file_is_read_through_a_link_too(tmp_path):
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "b").symlink_to("a")
    assert storage.read_bytes(tmp_path / "b") == b"123"
    assert storage.read_text(tmp_path / "b") == "123"


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is no regular file"):
        storage.read_bytes(tmp_path / "pipe")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with open(tmp_path / "a", "wb") as file:
        file.truncate(1 << 40)  # takes no space
    with pytest.raises(ValueError, match=r"a has 1,099,511,627,776 bytes; at most 1,000 are read"):
        storage.read_bytes(tmp_path / "a", most=1000)


@pytest.mark.parametrize(("make", "error"), [(lambda path: path.mkdir(), IsADirectoryError),
                                             (lambda path: path.symlink_to("nowhere"), FileNotFoundError),
                                             (lambda path: None, FileNotFoundError)])
def test_what_is_no_file_is_named(tmp_path, make, error):
    make(tmp_path / "a")
    with pytest.raises(error, match="a"):
        storage.read_bytes(tmp_path / "a")


def test_more_than_there_is_takes_no_memory(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    with storage.open_regular(tmp_path / "a") as file:
        assert file.read(2) == b"12"
        assert file.read(1 << 60) == b"345"
        assert file.read(1 << 60) == b""
