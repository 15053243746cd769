"""docs/array-api.md lists what tests/array_api/exceptions.txt has, each with its reason."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "array-api.md").read_text(encoding="utf-8")
BLOCKS = (ROOT / "tests" / "array_api" / "exceptions.txt").read_text(encoding="utf-8").split("\n\n")[1:]


def test_the_page_has_every_exception_behind_its_reason():
    assert len(BLOCKS) == 4
    for block in BLOCKS:
        reason, *names = block.strip().splitlines()
        behind = PAGE[PAGE.index(reason.removeprefix("# ")):]
        assert names
        for name in names:
            assert f"- `{name.removeprefix('array_api_tests/')}`" in behind


def test_the_suite_is_the_one_that_tox_takes():
    main = (ROOT / "tests" / "array_api" / "__main__.py").read_text(encoding="utf-8")
    commit = main.partition('SUITE = "')[2].partition('"')[0]
    assert commit in (ROOT / "tox.ini").read_text(encoding="utf-8")
    assert commit[:12] in PAGE
