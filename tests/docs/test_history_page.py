"""docs/history.md: what asv has measured of commits, as committed, and how the site shows it."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "asv_benchmarks" / "results"
COMMITS = sorted(path for path in RESULTS.glob("*/*.json") if path.name != "machine.json")


def test_each_file_has_the_results_of_another_commit():
    hashes = [json.loads(path.read_text("utf-8"))["commit_hash"] for path in COMMITS]
    assert len({*hashes}) == len(COMMITS) >= 3
    assert all(re.fullmatch(r"[0-9a-f]{40}", commit) and path.name.startswith(commit[:8])
               for commit, path in zip(hashes, COMMITS))


def test_the_files_name_no_place_of_a_machine():
    assert not re.search(r"/(home|root|tmp|work|usr)/", "".join(
        path.read_text("utf-8") for path in RESULTS.rglob("*.json")))


@pytest.fixture
def asv_results(monkeypatch):
    pytest.importorskip("docutils")
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(ROOT / "docs")
    from site_extensions import asv_results

    return asv_results


def result(commit, day, values):
    return json.dumps({"version": 2, "commit_hash": commit * 20, "date": day * 86_400_000,
                       "result_columns": ["result", "params", "version"],
                       "results": {"module.Step.track_bytes": [values, [["'cpu'", "'numpy'"], ["32"]], "v"],
                                   "module.failed": [None, [], "v"]}})


def test_a_table_has_the_commits_by_date_and_leaves_out_what_was_not_measured(asv_results, tmp_path):
    machine = tmp_path / "machine"
    machine.mkdir()
    (machine / "machine.json").write_text('{"cpu": "a <processor>", "num_cpu": "2", "os": "Linux"}')
    (machine / "b.json").write_text(result("ab", 20, [7.0, float("nan")]))
    (machine / "a.json").write_text(result("cd", 10, [5.5, 1024.0]))
    (tmp_path / "benchmarks.json").write_text('{"module.Step.track_bytes": {"unit": "bytes"}, "version": 2}')
    html = asv_results.drawn(tmp_path)
    assert "a &lt;processor&gt;" in html
    assert re.findall(r"<code>(\w{8})</code><br>([\d-]+)", html) == [
        ("cdcdcdcd", "1970-01-11"), ("abababab", "1970-01-21")]
    cell = "<td>([^<]*)</td>"
    assert re.findall(rf"<tr><th>([^<]+)</th><td><svg.*?</svg></td>{cell}{cell}", html) == [
        ("cpu, 32", "5.5", "7"), ("numpy, 32", "1,024", "")]
    assert "failed" not in html


def test_a_curve_rises_with_its_values(asv_results):
    (_, first), (_, second), (_, third) = (
        map(float, point.split(",")) for point in re.search(r'points="([^"]+)"', asv_results.curve(
            [1.0, 3.0, 2.0]))[1].split())
    assert first > third > second  # y grows downwards
    assert asv_results.curve([2.0, None, 2.0]).count(",") == 2


def test_another_version_of_asv_s_files_is_refused(asv_results):
    from sphinx.errors import ExtensionError

    with pytest.raises(ExtensionError, match="version 2 are read here, got 3"):
        asv_results.commit_of('{"version": 3}')
