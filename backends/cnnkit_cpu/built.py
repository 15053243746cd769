"""What the build has left beside the C++ libraries, ``build.json``: why one of them is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

__all__ = ["reason_for"]

REPORT = "build.json"  # written by setup.py
COMPILERS = "c++", "g++", "clang++"
CURE = ("Install g++ 11 or Clang 14, or a newer one (apt-get install g++), then cnnkit again: "
        "pip install --force-reinstall --no-deps --no-cache-dir")


def _report(folder: Path) -> dict[str, Any]:
    path = folder / REPORT
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def reason_for(folder: Path, isa: str) -> str:
    """Why the library of an instruction set was not built, and what to do about it.

    Parameters
    ----------
    folder : Path
        Where the libraries would lie.
    isa : str
        The instruction set.

    Returns
    -------
    str
        The words of the compiler, as the build kept them; or that nobody asked for this instruction set.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / REPORT
    ...     _ = path.write_text('{"wanted": "none", "flags": {}, "failures": {}}')
    ...     reason_for(Path(folder), "avx2")
    'it was installed with CNNKIT_ISAS=none. Install cnnkit again without that'
    """
    report = _report(folder)
    failures = report.get("failures", {})
    if failure := failures.get(isa, next(iter(failures.values()), "")):
        return f"{failure}. {CURE}"
    if report.get("wanted", "native") != "native":
        return f"it was installed with CNNKIT_ISAS={report['wanted']}. Install cnnkit again without that"
    if report:
        return ("it was installed for another processor. "
                "Install cnnkit again on this one, or with CNNKIT_ISAS=all for every processor")
    if not any(map(shutil.which, COMPILERS)):
        return f"there is no C++ compiler. {CURE}"
    return "the build has left no report; `pip install -v` of cnnkit shows the compiler's errors"
