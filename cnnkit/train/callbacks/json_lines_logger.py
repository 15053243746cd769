"""JSONLinesLogger: the epochs' figures, one JSON object a line."""

from __future__ import annotations

import json
import math
from typing import Any

from cnnkit.foreign import plain
from cnnkit.train.callbacks.row_logger import RowLogger

__all__ = ["JSONLinesLogger"]


class JSONLinesLogger(RowLogger):
    """Write each epoch's figures to a file, as a line of JSON; NaN and infinities are ``null``.

    Parameters
    ----------
    path : path
        The file. It is written anew; in a resumed run, it begins with the epochs done so far.

    >>> import json, tempfile
    >>> from pathlib import Path
    >>> from cnnkit import models, train
    >>> from cnnkit.data import datasets
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(train=True), epochs=2,
    ...                         callbacks=[JSONLinesLogger(f"{folder}/log.jsonl")], progress=False)
    ...     lines = Path(folder, "log.jsonl").read_text().splitlines()
    >>> len(lines), json.loads(lines[1])["epoch"]
    (2, 2)
    """

    def line(self, figures: dict[str, Any], first: bool) -> str:
        return json.dumps(_finite(figures), allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """The figures with ``None`` for NaN and infinities, which JSON has not."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    value = plain(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
