"""The table of measurements as Markdown, and its place in docs/gpu.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnnkit_cupy.benchmark.measuring import Row

HEADINGS = ("call", "dtype", "direction", "us", "TFLOP/s", "of GEMM", "GB/s", "of copy",
            "PyTorch us", "PyTorch / ours")


def cells(row: Row, copy: float, gemm: Mapping[str, float]) -> list[str]:
    """A row of the table: rates, and which part they are of the rates measured on the same device."""
    flops, moved = row.flops / row.seconds, row.moved / row.seconds
    return [row.name, row.dtype, row.direction, f"{row.seconds * 1e6:.1f}",
            *([f"{flops / 1e12:.2f}", f"{flops / gemm[row.dtype]:.0%}"] if row.flops else ["", ""]),
            f"{moved / 1e9:.0f}", f"{moved / copy:.0%}",
            *([f"{row.torch * 1e6:.1f}", f"{row.torch / row.seconds:.2f}"] if row.torch else ["", ""])]


def report(machine: str, rows: Sequence[Row], copy: float, gemm: Mapping[str, float]) -> str:
    """What was measured, where, and how."""
    rates = ", ".join(f"{rate / 1e12:.1f} TFLOP/s in {dtype}" for dtype, rate in gemm.items())
    table = [HEADINGS, ["---"] * len(HEADINGS), *(cells(row, copy, gemm) for row in rows)]
    return "\n".join([
        f"Measured on one {machine}: "
        "medians of times between CUDA events after warm-up, Python's part included.", "",
        f"The device copies {copy / 1e9:.0f} GB/s (read and written) and its library "
        f"multiplies 4096x4096 matrices at {rates}. GB/s of a call counts its arguments and results once; "
        "TFLOP/s its convolution. PyTorch is used eagerly, without TF32.", "",
        *(f"| {' | '.join(line)} |" for line in table)])
