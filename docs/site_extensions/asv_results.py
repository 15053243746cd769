"""What asv has measured of some commits, as tables with a small curve in each row.

``asv publish`` makes pages whose scripts come from other servers; these come from the same files, which
``asv run`` has written to ``asv_benchmarks/results``, and ask nothing of the network.
"""

from __future__ import annotations

import datetime
import json
import math
from html import escape
from itertools import product
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.errors import ExtensionError

WIDTH, HEIGHT, EDGE = 96, 22, 3  # of a curve, in pixels


class Commit(NamedTuple):
    """A commit that was measured on a machine."""

    hash: str
    date: datetime.date
    values: dict[tuple[str, str], float]  # by benchmark and parameters


def commit_of(text: str) -> Commit:
    """The commit of a file that ``asv run`` has written; what it could not measure is left out."""
    found = json.loads(text)
    if found["version"] != 2:
        raise ExtensionError(f"asv's results of version 2 are read here, got {found['version']}")
    columns, values = found["result_columns"], {}
    for name, row in found["results"].items():
        of_benchmark = dict(zip(columns, row))
        for parameters, value in zip(product(*of_benchmark["params"]), of_benchmark["result"] or ()):
            if value is not None and math.isfinite(value):
                values[name, ", ".join(text.strip("'") for text in parameters)] = value
    date = datetime.datetime.fromtimestamp(found["date"] / 1000, datetime.UTC).date()
    return Commit(found["commit_hash"][:8], date, values)


def commits_of(folder: Path) -> list[Commit]:
    """The commits of a machine's folder, the oldest first."""
    paths = [path for path in folder.glob("*.json") if path.name != "machine.json"]
    found = [(json.loads(text)["date"], commit_of(text))
             for text in (path.read_text(encoding="utf-8") for path in paths)]
    return [commit for _, commit in sorted(found, key=lambda pair: pair[0])]


def curve(values: list[float | None]) -> str:
    """The values from left to right as a line, the lowest at the bottom; one that is missing leaves no gap.

    >>> curve([1.0, None, 3.0]).count(",")
    2
    """
    here = [(n, value) for n, value in enumerate(values) if value is not None]
    low, high = min(value for _, value in here), max(value for _, value in here)

    def place(n: int, value: float) -> str:
        x = EDGE + n * (WIDTH - 2 * EDGE) / max(1, len(values) - 1)
        share = (value - low) / (high - low) if high > low else 0.5
        return f"{x:.1f},{HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE):.1f}"
    points = " ".join(place(n, value) for n, value in here)
    return (f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'aria-hidden="true"><polyline points="{points}"/></svg>')


def table(name: str, unit: str, commits: list[Commit]) -> str:
    """A benchmark's rows, one for each choice of parameters, and a column for each commit."""
    rows = {parameters: None for commit in commits for of, parameters in commit.values if of == name}
    heads = "".join(f"<th><code>{commit.hash}</code><br>{commit.date}</th>" for commit in commits)
    lines = []
    for parameters in rows:
        values = [commit.values.get((name, parameters)) for commit in commits]
        cells = "".join(f"<td>{'' if value is None else f'{value:,.6g}'}</td>" for value in values)
        lines.append(f"<tr><th>{escape(parameters)}</th><td>{curve(values)}</td>{cells}</tr>")
    return (f'<table class="measured"><caption><code>{escape(name)}</code>, {escape(unit)}</caption>'
            f"<thead><tr><th></th><th></th>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>")


def drawn(results: Path) -> str:
    """All that lies in asv's folder of results."""
    units = {name: benchmark.get("unit", "")
             for name, benchmark in json.loads((results / "benchmarks.json").read_text("utf-8")).items()
             if isinstance(benchmark, dict)}
    parts = []
    for path in sorted(results.glob("*/machine.json")):
        machine, commits = json.loads(path.read_text("utf-8")), commits_of(path.parent)
        parts.append(f"<p>{escape(machine['cpu'])}, {escape(machine['num_cpu'])} cores, "
                     f"{escape(machine['os'])}:</p>")
        names = dict.fromkeys(name for commit in commits for name, _ in commit.values)
        parts += [table(name, units.get(name, ""), commits) for name in names]
    return "".join(parts)


class AsvResults(Directive):
    """``asv-results``: what lies in the folder that its argument names, from the page on."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The tables."""
        environment = self.state.document.settings.env
        folder = (Path(environment.doc2path(environment.docname)).parent / self.arguments[0]).resolve()
        for path in folder.rglob("*.json"):
            environment.note_dependency(str(path))
        return [nodes.raw("", drawn(folder), format="html")]


def setup(app) -> dict:
    """Sphinx's entry."""
    app.add_directive("asv-results", AsvResults)
    return {"parallel_read_safe": True}
