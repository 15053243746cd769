"""ONNX's own tests of its operators, run and counted."""

import re
from pathlib import Path

import pytest

pytest.importorskip("onnx.helper", reason="needs onnx: pip install 'cnnkit[onnx]'")

from cnnkit.onnx import check

ROOT = Path(__file__).parents[2]


@pytest.mark.heavy
def test_at_least_98_in_100_of_onnxs_own_tests_pass(capsys):
    assert check.main([]) == 0
    text = capsys.readouterr().out
    assert int(re.search(r"has ([\d,]+) tests", text)[1].replace(",", "")) > 1000
    assert re.findall(r"^\| `.*Error: ", text, re.MULTILINE) == []  # each that fails has a reason in words


def test_the_table_counts_what_passes_and_lists_the_rest():
    text = check.page([check.Result("a", "")] * 3 + [check.Result("b", "wrong | number")])
    assert "has 4 tests of these operators, and 3 pass (75.0 %)" in text
    assert "| `b` | wrong / number |" in text


def test_the_table_goes_between_the_marks_of_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "results", lambda: iter([check.Result("a", "")]))
    page = tmp_path / "page.md"
    page.write_text(f"before\n{check.START}gone\n{check.END}after\n", encoding="utf-8")
    assert check.main(["--write", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{check.START}")
    assert text.endswith(f"{check.END}after\n")
    assert "gone" not in text
