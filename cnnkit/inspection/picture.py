"""Pictures in the terminal: grey levels as half blocks, or as plain characters where it has no colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnkit.autograd import Tensor, no_grad, tensor
from cnnkit.foreign import is_array

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

__all__ = ["Gallery", "Picture", "Sheet"]

RAMP = " .:-=+*#%@"  # from dark to bright
BLOCK = "▀"  # its foreground is the upper pixel, its background the lower one
GAP = 2  # columns between two pictures


class Picture:
    """A grey image for the terminal.

    Parameters
    ----------
    image : Tensor or array, (H, W)
        Its values; NaN shows as black.
    caption : str
        The line above it.
    low, high : float, optional
        The values that show as black and as white: by default the image's least and greatest.

    Attributes
    ----------
    levels : list of list of int
        Grey levels, row by row: 0 is black, 255 white.

    >>> import cnnkit
    >>> print(Picture(cnnkit.tensor([[0.0, 0.5], [0.75, 1.0]]), "four pixels"))
    four pixels
      ++
    ##@@
    """

    def __init__(self, image: Any, caption: str = "", low: float | None = None, high: float | None = None):
        values = _host(image)
        finite = values[np.isfinite(values)]
        low = (float(finite.min()) if finite.size else 0.0) if low is None else low
        high = (float(finite.max()) if finite.size else 1.0) if high is None else high
        span = high - low if high > low else 1.0
        shares = np.clip(np.nan_to_num((values - low) / span, nan=0.0), 0.0, 1.0)
        self.levels: list[list[int]] = np.rint(255 * shares).astype(int).tolist()
        self.caption = caption

    @property
    def width(self) -> int:
        """Columns that the pixels take in half blocks."""
        return len(self.levels[0]) if self.levels else 0

    def shrunk(self, width: int) -> Picture:
        """This picture, made at most `width` pixels wide: each pixel is the mean of a square of pixels.

        >>> Picture([[0.0, 1.0], [1.0, 1.0]]).shrunk(1).levels
        [[191]]
        """
        side = -(-self.width // max(width, 1))
        if side <= 1:
            return self
        small = Picture.__new__(Picture)
        small.caption, small.levels = self.caption, []
        for top in range(0, len(self.levels), side):
            rows = self.levels[top:top + side]
            squares = ([level for row in rows for level in row[left:left + side]]
                       for left in range(0, self.width, side))
            small.levels.append([round(sum(square) / len(square)) for square in squares])
        return small

    def __str__(self) -> str:
        return "\n".join(self._plain())

    def _plain(self) -> list[str]:
        """Lines of plain text: two characters a pixel, because a character is twice as high as wide."""
        lines = ["".join(RAMP[level * len(RAMP) // 256] * 2 for level in row).rstrip() for row in self.levels]
        return [self.caption, *lines] if self.caption else lines

    def _colored(self) -> list[Any]:
        """Lines of rich text: one character for a pixel and the one below it."""
        from rich.style import Style
        from rich.text import Text

        lines = [Text(self.caption, no_wrap=True)] if self.caption else []
        for top in range(0, len(self.levels), 2):
            line = Text(no_wrap=True)
            upper, lower = self.levels[top], self.levels[top + 1] if top + 1 < len(self.levels) else None
            for column, level in enumerate(upper):
                line.append(BLOCK, Style(color=_grey(level), bgcolor=_grey(lower[column]) if lower else None))
            lines.append(line)
        return lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        yield Gallery([self])


class Gallery:
    """Pictures side by side, as many as fit, under a title; what `show` and its relatives return.

    A picture that is wider than the terminal is shrunk.

    ``print(gallery)`` writes plain characters, `rich.print` grey half blocks where the terminal has colours.

    Parameters
    ----------
    pictures : sequence of Picture
        In order.
    title, note : str
        Lines above and below them.
    """

    note: str
    pictures: list[Picture]
    title: str

    def __init__(self, pictures: Sequence[Picture], title: str = "", note: str = ""):
        self.pictures, self.title, self.note = list(pictures), title, note

    def __str__(self) -> str:
        return "\n".join(self._plain(100))

    def _plain(self, width: int) -> list[str]:
        lines = [self.title, ""] if self.title else []
        for row in _arranged([p.shrunk(width // 2) for p in self.pictures], width, 2):
            blocks = [(max(p.width * 2, len(p.caption)), p._plain()) for p in row]
            for n in range(max(len(block) for _, block in blocks)):
                cells = [(block[n] if n < len(block) else "").ljust(w) for w, block in blocks]
                lines.append((" " * GAP).join(cells).rstrip())
            lines.append("")
        return [*lines, self.note] if self.note else lines[:-1]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        from rich.text import Text

        if console.color_system is None:  # a file, a pipe, or NO_COLOR
            yield Text("\n".join(self._plain(options.max_width)), no_wrap=True, overflow="ignore")
            return
        if self.title:
            yield Text(self.title + "\n", style="bold")
        for row in _arranged([p.shrunk(options.max_width) for p in self.pictures], options.max_width, 1):
            blocks = [(max(p.width, len(p.caption)), p._colored()) for p in row]
            for n in range(max(len(block) for _, block in blocks)):
                line = Text(no_wrap=True, overflow="ignore")
                for w, block in blocks:
                    cell = block[n] if n < len(block) else Text()
                    line.append_text(cell)
                    line.append(" " * (w - len(cell) + GAP))
                line.rstrip()
                yield line
            yield Text()
        if self.note:
            yield Text(self.note, style="dim")


class Sheet:
    """Galleries one below the other.

    Parameters
    ----------
    galleries : sequence of Gallery
        In order.
    """

    def __init__(self, galleries: Sequence[Gallery]):
        self.galleries: list[Gallery] = list(galleries)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.galleries))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        for n, gallery in enumerate(self.galleries):
            if n:
                yield ""
            yield gallery


def _arranged(pictures: Sequence[Picture], width: int, per_pixel: int) -> Iterator[list[Picture]]:
    """Rows of pictures that fit in `width` columns, at least one a row."""
    row: list[Picture] = []
    used = 0
    for picture in pictures:
        need = max(picture.width * per_pixel, len(picture.caption))
        if row and used + GAP + need > width:
            yield row
            row, used = [], 0
        used += need + (GAP if row else 0)
        row.append(picture)
    if row:
        yield row


def _grey(level: int) -> str:
    return f"#{level:02x}{level:02x}{level:02x}"


def _host(image: Any) -> np.ndarray:
    """(H, W) in float64, in the host's memory."""
    with no_grad():
        image = image if isinstance(image, Tensor) else Tensor(image) if is_array(image) else tensor(image)
        if image.ndim != 2:
            raise ValueError(f"a picture has two axes, (H, W); got shape {image.shape}")
        return image.numpy().astype("float64")
