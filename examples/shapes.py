"""Drawn images for the scripts: a disc, a square and a cross, each or none, on noise."""

from __future__ import annotations

import argparse

import numpy as np

SIZE = 32  # pixels, height and width
NAMES = ("disc", "square", "cross")


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, which shape each pixel belongs to, and where the shapes' centres are.

    Returns
    -------
    images : float32 (count, 1, 32, 32), from 0 to 1
    masks : int64 (count, 32, 32)
        0 for none, or 1 + the shape's place in `NAMES`; a later shape hides an earlier one.
    centres : float32 (count, 3, 2)
        Row and column, in pixels; NaN for a shape that is not there.
    """
    generator = np.random.default_rng(seed)
    images = generator.uniform(0, 0.4, (count, SIZE, SIZE)).astype("float32")
    masks = np.zeros((count, SIZE, SIZE), np.int64)
    centres = np.full((count, 3, 2), np.nan, "float32")
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for n in range(count):
        for shape in np.flatnonzero(generator.random(3) < 0.6):
            radius, (row, column) = generator.uniform(4, 7), generator.uniform(6, SIZE - 7, 2)
            down, across = abs(rows - row), abs(columns - column)
            inside = [np.hypot(down, across) < radius, np.maximum(down, across) < radius * 0.8,
                      (np.minimum(down, across) < radius / 4) & (np.maximum(down, across) < radius)][shape]
            images[n][inside] += generator.uniform(0.3, 0.6)
            masks[n][inside] = 1 + shape
            centres[n, shape] = row, column
    return images[:, None].clip(0, 1), masks, centres


def options(text: str, epochs: int, images: int = 1000) -> argparse.ArgumentParser:
    """The options of a script whose docstring is `text`."""
    parser = argparse.ArgumentParser(description=text.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--images", type=int, default=images, help="how many to learn from")
    parser.add_argument("--seed", type=int, default=0)
    return parser
