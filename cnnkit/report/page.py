"""The page itself: Jinja2 fills the template; `Report` holds the HTML, saves it, shows it in notebooks."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from cnnkit import storage

__all__ = ["Report", "rendered"]

HERE = Path(__file__).parent


class Report:
    """A page of HTML that needs nothing else: no script, no other file, no network.

    Attributes
    ----------
    html, title : str
    """

    html: str
    title: str

    def __init__(self, html: str, title: str):
        self.html, self.title = html, title

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, whole or not at all."""
        path = Path(path)
        storage.make_folder(path.parent)
        storage.write(path, self.html.encode())
        return path

    def __repr__(self) -> str:
        return f"Report({self.title!r}, {len(self.html.encode()) / 1e6:.2f} MB)"

    def _repr_html_(self) -> str:
        return (f'<iframe title="{escape(self.title)}" style="width:100%;height:40em;border:1px solid #8884" '
                f'sandbox srcdoc="{escape(self.html)}"></iframe>')


def rendered(values: Mapping[str, Any]) -> str:
    """The page with these values; text in them is escaped, drawings are not.

    Raises
    ------
    ImportError
        If Jinja2 is not installed.
    """
    try:
        jinja2 = importlib.import_module("jinja2")
    except ModuleNotFoundError as error:
        if error.name != "jinja2":
            raise
        raise ImportError("reports need Jinja2, which is not installed: "
                          "pip install 'cnnkit[report]'") from error
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined)
    template = environment.from_string((HERE / "page.html").read_text(encoding="utf-8"))
    style = (HERE / "page.css").read_text(encoding="utf-8")
    absent = dict.fromkeys(("confusions", "mistakes", "calibration", "neighbours", "accuracy", "maps",
                            "fields", "heat", "methods", "sanity", "sizes", "step"))
    return template.render({**absent, **values, "style": style})
