"""The reference's pages: one for each package, with a list of its public names, each with a page of its own.

A package's ``__all__`` is the list, so that a new name is in the reference without another line.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import get_origin

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
PACKAGES = {
    "Networks": ["cnnkit", "cnnkit.nn", "cnnkit.nn.init", "cnnkit.nn.utils", "cnnkit.functional",
                 "cnnkit.models", "cnnkit.transfer_learning", "cnnkit.shapes"],
    "Training": ["cnnkit.train", "cnnkit.optim", "cnnkit.optim.lr_scheduler", "cnnkit.optim.swa_utils",
                 "cnnkit.amp", "cnnkit.evaluation", "cnnkit.evaluation.metrics", "cnnkit.distributed",
                 "cnnkit.capturing"],
    "Data and files": ["cnnkit.data", "cnnkit.data.transforms", "cnnkit.data.datasets", "cnnkit.safetensors",
                       "cnnkit.serialization", "cnnkit.onnx", "cnnkit.advise"],
    "Looking": ["cnnkit.inspection", "cnnkit.attribution", "cnnkit.report", "cnnkit.plot", "cnnkit.profiling",
                "cnnkit.comparing"],
    "Arrays": ["cnnkit.autograd", "cnnkit.linalg", "cnnkit.random", "cnnkit.cuda"],
    "Plug-ins": ["cnnkit.backends", "cnnkit.ops", "cnnkit.conformance"],
}


def page_of(package: str, pages: dict[int, str]) -> str:
    """The text of a package's page, in reStructuredText; `pages` has where objects were met, by their ids.

    What another package has shown already is named, and leads there.
    """
    module = importlib.import_module(package)
    objects = {name: getattr(module, name) for name in sorted(module.__all__)}
    paths = {name: pages.setdefault(id(value), f"{package}.{name}") for name, value in objects.items()
             if not name.startswith("_") and is_documented(value)}
    new = [name for name, path in paths.items() if path == f"{package}.{name}"]
    known = [f":py:obj:`{name} <{path}>`" for name, path in paths.items() if name not in new]
    lines = [package, "=" * len(package), "", f".. automodule:: {package}", "   :no-members:", "",
             f".. currentmodule:: {package}", ""]
    if new:
        lines += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", "",
                  *(f"   {name}" for name in new), ""]
    if known:
        lines += ["Also here: " + ", ".join(known) + ".", ""]
    return "\n".join(lines)


def is_documented(value: object) -> bool:
    """Whether a name is a class or a function; packages have pages of their own."""
    return callable(value) and get_origin(value) is None and bool(getattr(value, "__doc__", None))


def write_pages(app, config) -> None:
    """Write the pages of the packages, where they differ from what lies there."""
    REFERENCE.mkdir(exist_ok=True)
    index = ["Reference", "=========", "",
             "Every public name. What is called as in PyTorch does the same, with the same numbers;",
             ":doc:`/pytorch` has what differs. `cnnkit.xp` has the names of the",
             "`Array API standard <https://data-apis.org/array-api/>`_; see :doc:`/array-api`.", ""]
    pages: dict[int, str] = {}
    texts = {name: page_of(name, pages) for packages in PACKAGES.values() for name in packages}
    for heading, packages in PACKAGES.items():
        index += [".. toctree::", f"   :caption: {heading}", "   :maxdepth: 1", "",
                  *(f"   {name}" for name in packages), ""]
    for name, text in {**texts, "index": "\n".join(index)}.items():
        page = REFERENCE / f"{name}.rst"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def draw_rules(app, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Draw lines of dashes in examples' output with another character: numpydoc takes them for headings."""
    in_example = False
    for n, line in enumerate(lines):
        in_example = line.strip().startswith(">>>") or (in_example and bool(line.strip()))
        if in_example and set(line.strip()) == {"-"}:
            lines[n] = line.replace("-", "\N{BOX DRAWINGS LIGHT HORIZONTAL}")


def setup(app) -> dict:
    """Sphinx's entry."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("config-inited", write_pages)  # before Sphinx looks what pages there are
    app.connect("autodoc-process-docstring", draw_rules, priority=100)  # before numpydoc
    return {"parallel_read_safe": True}
