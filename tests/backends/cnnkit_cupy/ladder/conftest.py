"""`emulator`: the backend, where there is one; `copied`: a copy of the ladder's files, to change one."""

import shutil

import pytest
from cnnkit_cupy.ladder import steps

from cnnkit import backends

HERE = next(row for row in backends.list() if row.name == "emulator")


@pytest.fixture
def emulator():
    """The emulator's backend."""
    if not HERE.available:
        pytest.skip(HERE.reason)
    return backends.get("emulator")


@pytest.fixture
def copied(tmp_path):
    """``change(name, old, new)`` changes the only `old` in a file, and returns the folder of the copy."""
    for source in steps.FOLDER.glob("*.cu"):
        shutil.copy(source, tmp_path)

    def change(name, old, new):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (tmp_path / name).write_text(text.replace(old, new), encoding="utf-8")
        return tmp_path
    return change
