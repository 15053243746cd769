"""Why a C++ library was not built: what setup.py wrote, in a sentence with its cure."""

import json

import pytest
from cnnkit_cpu.built import CURE, reason_for

NO_COMPILER = "there is no C++ compiler 'g++' (No such file or directory)"


@pytest.mark.parametrize(("report", "reason"), [
    ({"failures": {"avx2": "g++ failed: a.h:1: error: b"}}, f"g++ failed: a.h:1: error: b. {CURE}"),
    ({"failures": {"generic": NO_COMPILER}}, f"{NO_COMPILER}. {CURE}"),
    ({"wanted": "generic"}, "it was installed with CNNKIT_ISAS=generic. Install cnnkit again without that"),
    ({"wanted": "native", "flags": {"generic": []}}, "it was installed for another processor. Install cnnkit "
     "again on this one, or with CNNKIT_ISAS=all for every processor")])
def test_the_report_of_the_build_says_why(report, reason, tmp_path):
    (tmp_path / "build.json").write_text(json.dumps({"wanted": "native", "flags": {}} | report))
    assert reason_for(tmp_path, "avx2") == reason


def test_without_a_report_a_missing_compiler_is_the_reason(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert reason_for(tmp_path, "avx2") == f"there is no C++ compiler. {CURE}"
    monkeypatch.setattr("shutil.which", lambda name: name)
    assert "pip install -v" in reason_for(tmp_path, "avx2")
