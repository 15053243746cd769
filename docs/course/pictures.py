"""Pictures for the course: rows of images with their titles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np


def show(images: Sequence[Any], titles: Sequence[str] = (), columns: int = 8, size: float = 1.4) -> None:
    """Images (H, W) or Tensors of them, some in a row; each has its own range from black to white."""
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(size * columns, size * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for n, (axis, image) in enumerate(zip(axes.flat, images)):
        axis.imshow(np.asarray(image), cmap="gray")
        axis.set_title(titles[n] if n < len(titles) else "", fontsize=9)
    figure.tight_layout()
    plt.show()
