"""The generated parts of docs/gpu.md: the table of kernels, and the report of compiling them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cnnkit_cupy.launcher import Kernel
from cnnkit_cupy.sources import source
from cnnkit_cupy.static.compiling import Usage, options
from cnnkit_cupy.static.occupancy import LIMITS


def listing(kernels: Mapping[str, Kernel]) -> str:
    """Each RawKernel with the ops that launch it, its file, and its instances."""
    lines = ["| op | kernel | file | threads | shared bytes | from | instances |",
             "|---|---|---|---|---|---|---|"]
    grouped: dict[tuple[str, str], list[Kernel]] = {}
    for kernel in kernels.values():
        grouped.setdefault((kernel.module, kernel.name.split("<")[0]), []).append(kernel)
    for (module, name), members in sorted(grouped.items()):
        first = members[0]
        types = sorted(k.name.removeprefix(name) for k in members)
        lines.append(f"| {', '.join(f'`{op}`' for op in first.ops)} | `{name}` | `{module}.cu` "
                     f"| {_distinct(['x'.join(str(n) for n in k.block if n > 1) for k in members])} "
                     f"| {_distinct([k.shared + k.dynamic for k in members])} | "
                     f"{_distinct([f'sm_{k.arch}' for k in members])} "
                     f"| {', '.join(f'`{t}`' for t in types) if types != [''] else 'one'} |")
    return "\n".join(lines)


def _distinct(values: list) -> str:
    """The values of a kernel's instances: one, if they agree."""
    return ", ".join(map(str, dict.fromkeys(values)))


def row(name: str, kernel: Kernel, usage: Mapping[int, Usage], archs: tuple[int, ...]) -> list[str]:
    """A row of the report: the most bytes on any architecture; for each, registers, blocks and occupancy.

    Of kernels on tensor cores a fourth number is that of instructions for each product, of others that
    multiply the share of multiply-adds in the main loop, which is below 1.
    """
    cells = [name, *(f"{max(getattr(u, attribute) for u in usage.values())}"
                     for attribute in ("shared", "stack", "spills"))]
    for arch in archs:
        if arch not in usage:
            cells.append("–")
            continue
        demand = (kernel.block, usage[arch].registers, usage[arch].shared + kernel.dynamic)
        ratio = usage[arch].per_product or usage[arch].multiply_adds
        cells.append(f"{demand[1]}, {LIMITS[arch].blocks(*demand)}, {LIMITS[arch].occupancy(*demand):.0%}"
                     + (f", {ratio:.2f}" if ratio else ""))
    return cells


def headings(archs: tuple[int, ...]) -> list[str]:
    """The headings of the report."""
    return ["kernel", "shared", "stack", "spills", *(f"sm_{arch}" for arch in archs)]


def report(kernels: Mapping[str, Kernel], used: Mapping[str, Mapping[int, Usage]],
           archs: tuple[int, ...], compiler: str) -> str:
    """What was compiled, and how, as Markdown."""
    flags = " ".join(options(archs[0])).replace(f"sm_{archs[0]}", "sm_XX")
    rows = [headings(archs), ["---"] * (len(archs) + 4)]
    rows += [row(f"`{name}`", kernels[name], usage, archs) for name, usage in sorted(used.items())]
    return "\n".join([f"NVRTC {compiler}, `{flags}`: {len(used)} instances, no warning. "
                      f"Sources and table: `{fingerprint(kernels)}`.", "",
                      *(f"| {' | '.join(cells)} |" for cells in rows)])


@dataclass(frozen=True)
class Reported:
    """What a page's report says of an instance on one architecture.

    Attributes
    ----------
    registers, blocks : int
        Of a thread; of the multiprocessor.
    stack, spills : int
        Bytes, the most on any architecture.
    per_product, multiply_adds : float or None
        Instructions for each product of tensor cores; the share of multiply-adds in the main loop.
    """

    registers: int
    blocks: int
    stack: int
    spills: int
    per_product: float | None = None
    multiply_adds: float | None = None


def reported(text: str) -> dict[str, dict[int, Reported]]:
    """What a report says, by instance and architecture: `report` backwards.

    >>> text = '''| kernel | shared | stack | spills | sm_75 | sm_80 |
    ... | `sgd<float>` | 4 | 0 | 8 | – | 40, 6, 75%, 0.50 |'''
    >>> reported(text)["sgd<float>"][80].multiply_adds
    0.5
    """
    found: dict[str, dict[int, Reported]] = {}
    archs: list[int] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if cells[0] == "kernel":
            archs = [int(cell.removeprefix("sm_")) for cell in cells[4:]]
        if not archs or not cells[0].startswith("`"):
            continue
        by_arch = found[cells[0].strip("`")] = {}
        for arch, cell in zip(archs, cells[4:]):
            if cell == "–":
                continue
            registers, blocks, _, *ratio = cell.split(", ")
            value = float(ratio[0]) if ratio else None
            by_arch[arch] = Reported(int(registers), int(blocks), int(cells[2]), int(cells[3]),
                                     value if value and value >= 1 else None,
                                     value if value and value < 1 else None)
    return found


def regressions(committed: str, fresh: str) -> list[str]:
    """What is worse in a fresh report than in the committed one, in words.

    Fewer blocks on a multiprocessor, more spills or stack, more instructions for each product, a smaller
    share of multiply-adds; and instances of which the committed report says nothing.
    """
    before, worse = reported(committed), []
    for name, by_arch in reported(fresh).items():
        for arch, now in by_arch.items():
            label, then = f"{name} for sm_{arch}", before.get(name, {}).get(arch)
            if then is None:
                worse.append(f"{label} is not in the page's report: --write brings it up to date")
                continue
            for word, was, has in (("spills", then.spills, now.spills), ("stack", then.stack, now.stack)):
                if has > was:
                    worse.append(f"{label} has {has} bytes of {word}, and had {was}")
            if now.blocks < then.blocks:
                worse.append(f"{label} has {now.blocks} blocks on a multiprocessor, and had {then.blocks}")
            if then.per_product and (now.per_product or 0) > then.per_product + 0.05:
                worse.append(f"{label} has {now.per_product:.2f} instructions for each product, and had "
                             f"{then.per_product:.2f}")
            if then.multiply_adds and (now.multiply_adds or 0) < then.multiply_adds - 0.01:
                worse.append(f"{label} has {now.multiply_adds or 0:.2f} multiply-adds among its main loop's "
                             f"instructions, and had {then.multiply_adds:.2f}")
    return worse


def fingerprint(kernels: Mapping[str, Kernel]) -> str:
    """A hash of all that the report depends on: the sources, the rows of the table, the options."""
    parts = [source(module) for module in sorted({k.module for k in kernels.values()})]
    parts += [repr((k.module, name, k.block, k.shared, k.dynamic, k.launch_bounds, k.arch))
              for name, k in sorted(kernels.items())]
    return hashlib.sha256("\0".join([*parts, *options(0)]).encode()).hexdigest()[:16]


def section(page: str, name: str) -> str:
    """The text between the marks of a generated part."""
    return _marked(page, name).group(2)


def replaced(page: str, name: str, text: str) -> str:
    """The page with a generated part replaced by `text`."""
    match = _marked(page, name)
    return page[:match.start(2)] + text + page[match.end(2):]


def _marked(page: str, name: str) -> re.Match:
    match = re.search(rf"(<!-- generated: {name} -->\n\n)(.*?)(\n\n<!-- end -->)", page, re.DOTALL)
    if match is None:
        raise ValueError(f"the page has no part '<!-- generated: {name} -->' ... '<!-- end -->'")
    return match
