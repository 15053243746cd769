"""TOML files that are none: one error that names the file."""

import os

import pytest

from cnnkit.cli.toml_file import read_toml
from cnnkit.storage import FormatError


@pytest.mark.parametrize("content", [b"lr = " + b"[" * 3000 + b"]" * 3000, b"lr = ", b"\xff", b"\0",
                                     b"lr = " + b"9" * 9000, b"a = 2020-13-45", b"a.b = 1\na = 2"])
def test_a_file_that_is_no_toml_is_named(tmp_path, content):
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.toml is no TOML file"):
        read_toml(tmp_path / "a.toml")


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.toml")
    with pytest.raises(FormatError, match="no regular file"):
        read_toml(tmp_path / "a.toml")
