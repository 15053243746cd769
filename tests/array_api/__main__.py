"""Run the suite, fail where something fails that is no exception, or write the page that lists them.

The suite is no package: take it from https://github.com/data-apis/array-api-tests, with its submodule, at the
commit `SUITE`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

SUITE = "55fcc60179efa2680ddd6cd926ddf17b83530e2b"
VERSION = "2024.12"
EXCEPTIONS = Path(__file__).with_name("exceptions.txt")
SPECIAL = "test_special_cases"
CHANCE = "By chance"  # how the reasons of tests begin that pass or fail
HEAD = """\
# The Array API on Tensors

`cnnkit.xp` is the Python Array API on Tensors, of every backend and with gradients. Its judge is [data-apis'
own test suite](https://github.com/data-apis/array-api-tests), for version {version} of the standard without
the extensions `fft` and `linalg`, on NumPy's arrays. This page is made in `tests` by `python -m array_api
CHECKOUT --write ../docs/array-api.md`, from the suite at `{suite}` with {examples} examples a test.

| tests | pass | fail, as listed | fail | skipped by the suite |
|---|---|---|---|---|"""


def exceptions() -> list[tuple[str, list[str]]]:
    """(reason, tests) of each block of the file."""
    blocks = EXCEPTIONS.read_text(encoding="utf-8").split("\n\n")[1:]
    return [(lines[0].removeprefix("# "), lines[1:]) for lines in map(str.splitlines, map(str.strip, blocks))]


def outcomes(checkout: Path, examples: int) -> dict[str, str]:
    """Test -> ``"passed"``, ``"failed"``, ``"skipped"`` or ``"xfailed"``."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        subprocess.run([
            sys.executable, "-m", "pytest", "-q", "array_api_tests", f"--junitxml={report}",
            f"--xfails-file={EXCEPTIONS}", f"--max-examples={examples}", "--derandomize",
            "--disable-deadline", "--disable-extension", "fft", "linalg", "-p", "no:cacheprovider",
            "-p", "no:warnings", "--tb=short"], cwd=checkout, check=False,
            env={**os.environ, "ARRAY_API_TESTS_MODULE": "cnnkit.xp", "ARRAY_API_TESTS_VERSION": VERSION})
        return {_name(case): _outcome(case) for case in ElementTree.parse(report).iter("testcase")}


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"


def _outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skipped = case.find("skipped")
    if skipped is None:
        return "passed"
    return "xfailed" if skipped.get("type") == "pytest.xfail" else "skipped"


def page(found: dict[str, str], examples: int) -> str:
    """The page, in Markdown."""
    lines = [HEAD.format(version=VERSION, suite=SUITE[:12], examples=examples)]
    for title, special in (("of functions, operators and signatures", False), ("of special cases", True)):
        count = Counter(outcome for name, outcome in found.items() if (SPECIAL in name) == special)
        lines.append(f"| {title} | {count['passed']} | {count['xfailed']} | {count['failed']} "
                     f"| {count['skipped']} |")
    lines += ["", "What fails, and why:", ""]
    for reason, names in exceptions():
        lines += [reason, "", *(f"- `{name.removeprefix('array_api_tests/')}`" for name in names), ""]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m array_api", description=__doc__)
    parser.add_argument("checkout", type=Path, help="where the suite is")
    parser.add_argument("--examples", type=int, default=10, help="how many a test tries")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page")
    options = parser.parse_args()
    if not (options.checkout / "array-api" / "src").is_dir():
        parser.error(f"{options.checkout} is no checkout of the suite with its submodule array-api")
    found = outcomes(options.checkout, options.examples)
    if options.write:
        options.write.write_text(page(found, options.examples), encoding="utf-8")
    listed = {name for reason, names in exceptions() for name in names if not reason.startswith(CHANCE)}
    for name, outcome in found.items():
        if outcome == "failed":
            print(f"failed: {name}")
        elif outcome == "passed" and name in listed:
            print(f"passes now, and is in {EXCEPTIONS.name}: {name}")
    for name in sorted(listed - found.keys()):
        print(f"no such test, and it is in {EXCEPTIONS.name}: {name}")
    as_listed = {name for name, outcome in found.items() if outcome == "xfailed"}
    return 0 if found and "failed" not in found.values() and as_listed >= listed else 1


if __name__ == "__main__":
    sys.exit(main())
