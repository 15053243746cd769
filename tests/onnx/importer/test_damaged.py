"""Damaged and hostile ONNX files are accepted or refused by one error, and take little memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx.helper", reason="needs onnx: pip install 'cnnkit[onnx]'")

import damaged_onnx

from cnnkit import onnx
from cnnkit.storage import FormatError


def test_the_sound_file_is_read_and_one_that_is_cut_off_is_not(tmp_path):
    path = damaged_onnx.sound_model(tmp_path)
    assert onnx.load(path).outputs == ("y", "expanded", "tiled", "range")
    content = path.read_bytes()
    for length in range(0, len(content), 40):
        path.write_bytes(content[:length])
        with pytest.raises(FormatError, match=r"m\.onnx"):
            onnx.load(path)


@pytest.mark.heavy
def test_thousands_of_damaged_files_are_accepted_or_refused():
    corpus = Path(__file__).parents[2] / "damaged_files.py"
    result = subprocess.run([sys.executable, corpus, "3000", "1", "onnx"], capture_output=True, text=True,
                            check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3000 damaged files, 0 neither accepted nor refused" in result.stdout
