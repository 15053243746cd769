"""What `explain` returns: which kernel served each call and which declined, as data and as text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["GENERIC", "Declined", "Explanation", "KernelCall"]

Shape = tuple[int, ...]
GENERIC = "generic"  # in the place of a table's name, where an op's own body runs
WIDTH = 80


@dataclass(frozen=True)
class Declined:
    """A kernel that did not serve a call.

    Attributes
    ----------
    table, kernel : str
        The kernel table's name, and the function's qualified name.
    ops : tuple of str
        The chain of ops of the call that it declined, which may be longer than the chain served in the end.
    reason : str
        Its argument of `cnnkit.backends.decline`; empty where it gave none.
    """

    table: str
    kernel: str
    ops: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class KernelCall:
    """One call of a kernel, which serves one op or a chain of them.

    Attributes
    ----------
    layer : str
        The modules that called the ops, by the names of `Module.named_modules`, joined by ``+``. Behind the
        name of a module with modules inside stands the op that it called as a function.
    ops : tuple of str
        The ops' names in the order of their calls.
    inputs : tuple
        The shape of each array that the kernel was given; ``()`` for a number, ``None`` for an absent one.
    output : tuple of int, or None
        The shape of the (first) result; ``None`` where a gradient is not needed.
    dtype : str
        Of the first input.
    table, kernel : str
        The kernel table's name (``"generic"``: the op's own body), and the function's qualified name.
    declined : tuple of Declined
        The kernels that were called before it and declined, in order.
    backward : bool
        Whether this is the way back: the input is the result's gradient, and the output the first input's.
    algorithm : str
        The one that the kernel chose, where it has several and says so (`backends.chose`).
    native : tuple of str
        The C functions or device kernels that it called, in order, where the table tells.
    seconds : float or None
        With ``explain(analyze=True)``, the median of some calls.
    flops, bytes : int or None
        Then also the operations, ``None`` where they are not known, and the bytes of all arrays.
    share : float or None
        Of what the machine can do at most (`cnnkit.inspection.roofline`); above 1 where a cache holds the
        arrays, ``None`` where nothing is computed or moved.
    """

    layer: str
    ops: tuple[str, ...]
    inputs: tuple[Shape | None, ...]
    output: Shape | None
    dtype: str
    table: str
    kernel: str
    declined: tuple[Declined, ...] = ()
    backward: bool = False
    algorithm: str = ""
    native: tuple[str, ...] = ()
    seconds: float | None = None
    flops: int | None = None
    bytes: int | None = None
    share: float | None = None

    @property
    def fused(self) -> bool:
        """Whether the kernel served several ops at once."""
        return len(self.ops) > 1

    def lines(self) -> list[str]:
        """The call as text: the layer, then what was computed by which kernel, then who declined."""
        output = "no gradient" if self.output is None else str(self.output)
        fused = f" (one kernel for {len(self.ops)} ops)" if self.fused else ""
        by = f", by {self.algorithm}" if self.algorithm else ""
        lines = [*_filled(self.layer, 0),
                 *_filled(f"{'+'.join(self.ops)}: {self.inputs[0]} -> {output}, {self.dtype}", 4),
                 *_filled(f"{self.table}: {self.kernel}{fused}{by}", 4)]
        if self.native:
            lines += _filled(f"calls {', '.join(dict.fromkeys(self.native))}", 4)
        if self.seconds is not None:
            lines += _filled(self._measured(self.seconds), 4)
        for other in self.declined:
            chain = "" if other.ops == self.ops else f" for {'+'.join(other.ops)}"
            reason = other.reason or "it gives no reason"
            lines += _filled(f"declined{chain} by {other.table}: {other.kernel}: {reason}", 4)
        return lines

    def _measured(self, seconds: float) -> str:
        """Time, speed and share as text."""
        speed = f", {self.flops / seconds / 1e9:,.1f} GFLOP/s" if self.flops else ""
        share = "" if self.share is None else f", {100 * self.share:.0f} % of the roofline"
        rate = f", {self.bytes / seconds / 1e9:,.1f} GB/s" if self.bytes else ""
        return f"{1e3 * seconds:,.3f} ms{speed}{rate}{share}"


@dataclass(frozen=True, repr=False)
class Explanation:
    """What `explain` returns: the calls as data; ``print`` shows them in lines of at most 80 columns.

    Attributes
    ----------
    model : str
        The model's class.
    inputs : tuple of shapes
        Of the arrays that the model was given.
    rows : tuple of KernelCall
        In the order in which the kernels ran: forward, then the way back.
    roofline : Roofline or None
        With ``explain(analyze=True)``, what the machine can do at most.
    """

    model: str
    inputs: tuple[Shape, ...]
    rows: tuple[KernelCall, ...]
    roofline: Any = None

    def as_dict(self) -> dict[str, Any]:
        """The same as dicts, lists, numbers and strings, as JSON takes them."""
        return {"model": self.model, "inputs": list(map(list, self.inputs)),
                "rows": [{**asdict(row), "fused": row.fused} for row in self.rows],
                **({} if self.roofline is None else {"roofline": asdict(self.roofline)})}

    def __str__(self) -> str:
        lines = [*_filled(f"{self.model} on {', '.join(map(str, self.inputs))}", 0)]
        backward = False
        for row in self.rows:
            if row.backward and not backward:
                backward = True
                lines += ["", "The way back:"]
            lines += ["", *row.lines()]
        counts = Counter(row.table for row in self.rows)
        served = ", ".join(f"{count} by {table}" for table, count in counts.items())
        fused = sum(row.fused for row in self.rows)
        calls = "1 kernel call" if len(self.rows) == 1 else f"{len(self.rows)} kernel calls"
        totals = f"{calls}: {served}; {fused} fused" if self.rows else "No kernel was called"
        lines += ["", *_filled(totals, 0)]
        if self.roofline is not None:
            total = sum(row.seconds or 0 for row in self.rows)
            lines += [*_filled(f"In all {1e3 * total:,.3f} ms; this machine: {self.roofline}", 0)]
        return "\n".join(lines)

    __repr__ = __str__


def _filled(text: str, indent: int) -> Iterator[str]:
    """Lines of at most 80 columns, broken at spaces, behind ``+``, and if need be inside dotted names."""
    text = re.sub(r"(?<=[\d,(]) (?=[\d)])", "\N{NO-BREAK SPACE}", text)  # no shape is broken
    line, start = " " * indent, indent
    for part in re.split(r"(?<=[ +])", text):
        pieces = [part]
        if start + 2 + len(part.rstrip(" ")) > WIDTH:
            pieces = re.split(r"(?=[._]\D)", part)
        for piece in pieces:
            if len(line) > start and len((line + piece).rstrip(" ")) > WIDTH:
                yield line.rstrip(" ").replace("\N{NO-BREAK SPACE}", " ")
                start = indent + 2
                line = " " * start
            line += piece
    yield line.rstrip(" ").replace("\N{NO-BREAK SPACE}", " ")
