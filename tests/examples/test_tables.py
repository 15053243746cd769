"""The scripts' tables: Markdown, and its place in the page."""

import re

import pytest
import tables

PAGE = "# Results\n\nbefore\n\n<!-- one -->\nold\n<!-- /one -->\n\nafter\n<!-- two -->\n<!-- /two -->\n"


def test_a_table_has_a_column_for_each_seed_and_the_mean():
    text = tables.markdown(["net", "0", "1", "mean"],
                           [["CNN", *tables.with_mean([0.5, 0.75])], ["MLP", 12345, 0.00002, 0.0]])
    assert text.splitlines() == ["| net | 0 | 1 | mean |", "|---|---|---|---|",
                                 "| CNN | 0.5000 | 0.7500 | 0.6250 |", "| MLP | 12,345 | 2.0e-05 | 0.0000 |"]


def test_what_was_not_run_is_said_and_has_no_mean():
    text = tables.markdown(["0", "1", "mean"], [tables.with_mean([0.5, None])])
    assert text.endswith("\n| 0.5000 | not yet run | not yet run |")


def test_text_replaces_what_was_between_its_markers_and_nothing_else():
    page = tables.updated_page(PAGE, "one", "new")
    assert page == PAGE.replace("old", "new")
    page = tables.updated_page(tables.updated_page(page, "two", "x"), "two", "y")
    assert page.endswith("<!-- two -->\ny\n<!-- /two -->\n")


@pytest.mark.parametrize("page", ["", "<!-- /one -->\n<!-- one -->", PAGE + PAGE])
def test_a_page_without_the_markers_is_refused(page):
    with pytest.raises(ValueError, match="<!-- /one -->"):
        tables.updated_page(page, "one", "new")


def test_a_report_writes_the_command_date_seeds_and_time_beside_the_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "RESULTS", tmp_path / "results.md")
    tables.RESULTS.write_text(PAGE)
    report = tables.Report("one", tables.options("Say.", epochs={"type": int, "default": 3}),
                           ["--write", "--seeds", "0", "4"])
    report.table(["a"], [[1]])
    report.seconds = 1234.5
    report.close()
    written = tables.RESULTS.read_text()
    assert re.search(r"<!-- one -->\n\| a \|\n\|---\|\n\| 1 \|\n\n`python examples/one\.py --write --seeds 0 "
                     r"4`, \d{4}-\d\d-\d\d, seeds 0, 4, 1,234 s on \d+ threads?\.\n<!-- /one -->", written)
    assert capsys.readouterr().out.strip() in written


def test_paragraphs_are_folded_and_a_page_of_ones_own_is_written(tmp_path):
    page = tmp_path / "guide.md"
    page.write_text(PAGE)
    report = tables.Report("one", tables.options("Say."), ["--write"], page)
    report.say("five words of some length " * 9)
    report.close()
    lines = page.read_text().split("<!-- one -->\n")[1].splitlines()[:3]
    assert [len(line) for line in lines] == [108, 109, 14]


def test_a_tiny_run_is_not_written(capsys):
    with pytest.raises(SystemExit):
        tables.Report("one", tables.options("Say."), ["--write", "--tiny"])
    assert "--tiny" in capsys.readouterr().err
