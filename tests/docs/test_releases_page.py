"""docs/releases.md, CITATION.cff and the files of changes/ agree with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import cnnkit

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "releases.md").read_text(encoding="utf-8")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, TOOLS = SETTINGS["project"], SETTINGS["tool"]


def test_the_page_names_the_oldest_and_the_newest_python():
    oldest, newest = re.search(r"Python (3\.\d+) to (3\.\d+) and NumPy from 2\.0 on", PAGE).groups()
    listed = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if "Python :: 3." in name]
    assert (oldest, newest) == (listed[0], listed[-1])
    assert PROJECT["requires-python"] == f">={oldest}"
    assert "numpy>=2" in PROJECT["dependencies"]


def test_wheels_are_built_and_tested_by_the_oldest_and_the_newest_python():
    listed = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if "Python :: 3." in name]
    wanted = [f"cp{version.replace('.', '')}-*" for version in (listed[0], listed[-1])]
    assert TOOLS["cibuildwheel"]["build"] == wanted


def test_the_citation_is_of_this_version_and_license():
    lines = dict(re.findall(r"^([\w-]+): (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"),
                            re.MULTILINE))
    assert (lines["version"], lines["license"]) == (cnnkit.__version__, PROJECT["license"])
    assert lines["title"].strip('"').startswith(PROJECT["name"])


def test_every_piece_of_news_has_a_kind_that_towncrier_knows():
    kinds = {kind["directory"] for kind in TOOLS["towncrier"]["type"]}
    for path in (ROOT / "changes").glob("*"):
        if path.name != "README.md":
            assert re.fullmatch(rf"(\+[\w-]+|\d+)\.({'|'.join(kinds)})(\.\d+)?\.md", path.name), path.name
            assert not path.read_text(encoding="utf-8").startswith("- "), f"{path.name} begins with a dash"
    said = set(re.findall(r"`(\w+)`", (ROOT / "changes" / "README.md").read_text().partition("`KIND`")[2]))
    assert kinds <= said


def test_news_goes_where_the_changelog_has_room_for_it():
    text = (ROOT / TOOLS["towncrier"]["filename"]).read_text(encoding="utf-8")
    assert text.count(TOOLS["towncrier"]["start_string"]) == 1
