"""The table that `summary` returns: its rows as data, as plain text and as a table of rich."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

__all__ = ["Row", "Summary", "byte_count", "si"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One call of one layer.

    Attributes
    ----------
    name, kind : str
        The layer's dotted name in the model, and its class.
    output_shape : tuple of int, or None
        Without the batch if `summary` was given one image's shape; ``None`` if the layer was never called.
    shrinkage : float or None
        Share of each channel's pixels that a layer without parameters takes away, as pooling does
        (0.75 for 2x2).
    parameters : int
        How many the layer itself has, without those counted in an earlier row.
    formula : str
        How they add up: ``(3 x 3 x 3) x 8 + 8``; empty without parameters.
    flops : int or None
        Floating-point operations of the call; ``None`` where the layer's kind has no known rule.
    memory : int
        Bytes of the output.
    """

    name: str
    kind: str
    output_shape: Shape | None
    shrinkage: float | None
    parameters: int
    formula: str
    flops: int | None
    memory: int


@dataclass(frozen=True, repr=False)
class Summary:
    """What `summary` returns: rows as data; ``print`` shows a plain table, rich a ruled one.

    Attributes
    ----------
    model : str
        The model's class.
    input_shape : tuple of int
        The argument of `summary`.
    rows : tuple of Row
        One a call of a layer, in the order of the calls.
    trainable, frozen : int
        Parameters of the model, each counted once.
    parameter_memory : int
        Bytes of all parameters.
    """

    model: str
    input_shape: Shape
    rows: tuple[Row, ...]
    trainable: int
    frozen: int
    parameter_memory: int

    @property
    def parameters(self) -> int:
        """All parameters, trainable or not."""
        return self.trainable + self.frozen

    @property
    def flops(self) -> int:
        """The sum over all rows whose FLOPs are known."""
        return sum(row.flops or 0 for row in self.rows)

    @property
    def activation_memory(self) -> int:
        """Bytes of all rows' outputs: about what training keeps for the backward pass."""
        return sum(row.memory for row in self.rows)

    def cells(self) -> list[tuple[str, ...]]:
        """The table's texts: its head, then a line for each row."""
        lines: list[tuple[str, ...]] = [("layer", "type", "output shape", "parameters", "FLOPs", "memory")]
        for row in self.rows:
            shape = "not called" if row.output_shape is None else str(row.output_shape)
            shape += f" -{100 * row.shrinkage:.0f} %" if row.shrinkage is not None else ""
            count = f"{row.formula} = {row.parameters}" if row.formula else str(row.parameters)
            lines.append((row.name, row.kind, shape, count, "-" if row.flops is None else si(row.flops),
                          byte_count(row.memory)))
        return lines

    def totals(self) -> list[str]:
        """The lines below the table."""
        more = "at least " if any(row.flops is None for row in self.rows) else ""
        images = "one image" if len(self.input_shape) < 4 else f"a batch of {self.input_shape[0]}"
        return [f"Total parameters: {self.parameters} ({self.trainable} trainable, {self.frozen} not; "
                f"{byte_count(self.parameter_memory)})",
                f"Forward pass of {images}: {more}{si(self.flops)}FLOPs, "
                f"{byte_count(self.activation_memory)} of activations"]

    def __str__(self) -> str:
        lines = self.cells()
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        text = ["  ".join(c.rjust(w) if i > 2 else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths)))
                .rstrip() for line in lines]
        text.insert(1, "-" * max(map(len, text)))
        return "\n".join([f"{self.model} on {self.input_shape}", *text, text[1], *self.totals()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *lines = ["".join(f"<td>{escape(cell)}</td>" for cell in line) for line in self.cells()]
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        return (f"<p>{escape(self.model)} on {self.input_shape}</p><table><thead><tr>"
                f"{head.replace('td>', 'th>')}</tr></thead><tbody>{body}</tbody></table>"
                f"<p>{'<br>'.join(map(escape, self.totals()))}</p>")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        if not console.is_terminal:  # a file or a pipe: whole lines, if printed with soft_wrap=True
            yield Text(str(self))
            return
        head, *lines = self.cells()
        if max(map(len, str(self).splitlines())) > options.max_width:  # formulas go below their layers' names
            lines = [(f"{line[0]}\n{row.formula}" if row.formula else line[0], *line[1:3],
                      str(row.parameters), *line[4:]) for row, line in zip(self.rows, lines)]
        table = Table(title=f"{self.model} on {self.input_shape}", caption="\n".join(self.totals()),
                      title_justify="left", caption_justify="left", box=box.SIMPLE_HEAD, show_edge=False,
                      pad_edge=False, padding=(0, 1, 0, 0))
        for i, name in enumerate(head):
            table.add_column(name, justify="right" if i > 2 else "left", overflow="fold")
        for line in lines:
            table.add_row(*line)
        yield table


def si(count: float) -> str:
    """A number in three digits: ``113 k``."""
    for factor, unit in ((10 ** 12, "T"), (10 ** 9, "G"), (10 ** 6, "M"), (10 ** 3, "k")):
        if count >= factor:
            value = count / factor
            return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"
    return f"{count:.0f}"


def byte_count(count: float) -> str:
    """Bytes in two digits or more: ``6.1 KiB``."""
    for factor, unit in ((2 ** 30, "GiB"), (2 ** 20, "MiB"), (2 ** 10, "KiB")):
        if count >= factor:
            return f"{count / factor:.{0 if count >= 10 * factor else 1}f} {unit}"
    return f"{count:.0f} B"
