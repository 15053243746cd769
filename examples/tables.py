"""What the scripts share: options, tables in Markdown, and the tables' places in docs.

A script makes a `Report`, trains, adds tables to it, and closes it: that prints them, and with ``--write``
puts them between the page's markers ``<!-- NAME -->`` and ``<!-- /NAME -->``, with the command, the date, the
seeds and the time that made them.
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from cnnkit import backends

SEEDS = (0, 1, 2)  # fixed before anything was run
RESULTS = Path(__file__).parents[1] / "docs" / "results.md"


def options(document: str, **more: dict[str, Any]) -> argparse.ArgumentParser:
    """A script's parser: ``--tiny``, ``--write``, ``--seeds``, and `more`, with settings of argparse."""
    parser = argparse.ArgumentParser(description=document.splitlines()[0])
    parser.add_argument("--tiny", action="store_true",
                        help="a few images and epochs, in seconds: shows that the script runs")
    parser.add_argument("--write", action="store_true",
                        help="put the tables into the page of docs/ that has their markers")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="by default %(default)s")
    for name, settings in more.items():
        parser.add_argument(f"--{name}", **settings)
    return parser


class Report:
    """Texts and tables of one script.

    Parameters
    ----------
    name : str
        The name of the script, without ``.py``, and of the markers.
    parser : ArgumentParser
        From `options`.
    arguments : sequence of str, optional
        The command line's arguments, without the script's name; by default those of Python.
    page : Path, optional
        The page that has the markers; by default docs/results.md.

    Attributes
    ----------
    options : Namespace
        The values of the command line's options.
    seconds : float or None
        The time taken; set it where it is not the time from making the report to closing it.
    """

    def __init__(self, name: str, parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None,
                 page: Path | None = None):
        self.name, self.parts, self.page = name, [], page or RESULTS
        self.options = parser.parse_args(arguments)
        if self.options.tiny and self.options.write:
            parser.error("--write is for real runs: leave --tiny out")
        words = sys.argv[1:] if arguments is None else arguments
        self.command = shlex.join(["python", f"examples/{name}.py", *words])
        self.seconds: float | None = None
        self._start = time.perf_counter()

    def say(self, text: str) -> None:
        """Add a paragraph."""
        self.parts.append(textwrap.fill(text, 110, break_long_words=False, break_on_hyphens=False))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add a table."""
        self.parts.append(markdown(head, rows))

    def close(self) -> None:
        """Print everything, and with ``--write`` put it into the page."""
        seconds = time.perf_counter() - self._start if self.seconds is None else self.seconds
        seeds = ", ".join(map(str, self.options.seeds))
        self.parts.append(f"`{self.command}`, {datetime.date.today()}, seeds {seeds}, "
                          f"{seconds:,.0f} s on {_threads()}.")
        text = "\n\n".join(self.parts)
        print(text)
        if self.options.write:
            page = updated_page(self.page.read_text(encoding="utf-8"), self.name, text)
            self.page.write_text(page, encoding="utf-8")


def _threads() -> str:
    count = backends.get_num_threads()
    return f"{count} thread{'s' * (count > 1)}"


def with_mean(figures: Sequence[float | None]) -> list[Any]:
    """The figures of the seeds and their mean; ``None`` for the mean if a figure is missing."""
    return [*figures, None if None in figures else mean(figures)]  # type: ignore[type-var]


def markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown; fractions have four digits after the point, and ``None`` is "not yet run"."""
    lines = [head, ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |"
                     for line in lines).replace("| --- ", "|---").replace("--- |", "---|")


def _cell(value: Any) -> str:
    if value is None:
        return "not yet run"
    if isinstance(value, float):
        return f"{value:.4f}" if value == 0 or abs(value) >= 1e-3 else f"{value:.1e}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def updated_page(page: str, name: str, text: str) -> str:
    """The page with `text` between the markers of `name`, in place of the old text."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"the page must have the markers {begin} and {end}, each once, "
                         "in lines of their own")
    before, rest = page.split(begin)
    if end not in rest:
        raise ValueError(f"the marker {end} comes before {begin}")
    return f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}"
