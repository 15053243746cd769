"""CHANGELOG.md: a section for what comes next, the version that is installed, and names that exist."""

import importlib
import re
from pathlib import Path

import cnnkit

PAGE = (Path(__file__).parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
SHORT = {"F": "functional"}


def test_the_first_sections_are_what_comes_next_and_this_version():
    sections = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert sections[:2] == ["Unreleased", cnnkit.__version__]


def test_whatever_is_listed_as_added_exists():
    added = PAGE[PAGE.index("### Added"):PAGE.index("### Changed")]
    names = re.findall(r"`(nn|F|models|data|evaluation|conformance|backends)\.(\w+)", added)
    assert len(names) > 10
    for package, name in names:
        found = importlib.import_module(f"cnnkit.{SHORT.get(package, package)}")
        assert hasattr(found, name), f"{package}.{name}"
