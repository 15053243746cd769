"""CSVLogger: a table of the epochs' figures."""

from __future__ import annotations

import csv
import io
from typing import Any

from cnnkit.train.callbacks.row_logger import RowLogger

__all__ = ["CSVLogger"]


class CSVLogger(RowLogger):
    """Write each epoch's figures to a CSV file, under their names.

    Parameters
    ----------
    path : path
        The file. It is written anew; in a resumed run, it begins with the epochs done so far.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from cnnkit import models, train
    >>> from cnnkit.data import datasets
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(train=True), epochs=2,
    ...                         callbacks=[CSVLogger(f"{folder}/log.csv")], progress=False)
    ...     lines = Path(folder, "log.csv").read_text().splitlines()
    >>> len(lines), lines[0]
    (3, 'epoch,loss,accuracy,images_per_second,seconds,val_loss,val_accuracy,lr')
    """

    def line(self, figures: dict[str, Any], first: bool) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if first:
            writer.writerow(figures)
        writer.writerow(figures.values())
        return text.getvalue()
