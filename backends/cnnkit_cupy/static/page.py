"""The generated parts of docs/gpu.md: the table of kernels, and the report of compiling them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

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

    Of kernels on tensor cores the last number is that of instructions for each product.
    """
    cells = [name, *(f"{max(getattr(u, attribute) for u in usage.values())}"
                     for attribute in ("shared", "stack", "spills"))]
    for arch in archs:
        if arch not in usage:
            cells.append("–")
            continue
        demand = (kernel.block, usage[arch].registers, usage[arch].shared + kernel.dynamic)
        per_product = usage[arch].per_product
        cells.append(f"{demand[1]}, {LIMITS[arch].blocks(*demand)}, {LIMITS[arch].occupancy(*demand):.0%}"
                     + (f", {per_product:.2f}" if per_product else ""))
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
