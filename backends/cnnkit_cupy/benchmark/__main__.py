"""``python -m cnnkit_cupy.benchmark``: time every kernel on the GPU at hand, and print the table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cnnkit import backends
from cnnkit_cupy.benchmark import measuring, page
from cnnkit_cupy.benchmark.cases import cases
from cnnkit_cupy.static.page import replaced


def main(
    batch: Annotated[int, typer.Option(help="Images in a batch.")] = 32,
    dtypes: Annotated[str, typer.Option(help="For example float32,float16,bfloat16.")] = "float32,float16",
    write: Annotated[Path | None,
                     typer.Option(help="The page to bring up to date, for example docs/gpu.md.")] = None,
) -> None:
    """Time the CUDA kernels beside the device's own rates of copying and multiplying, and beside PyTorch
    where it is installed.
    """
    try:
        backend = backends.get("cupy")
    except backends.Unavailable as reason:
        typer.echo("python -m cnnkit_cupy.benchmark needs a GPU: "
                   f"{str(reason).split('. Available:')[0]}", err=True)
        raise typer.Exit(1) from None
    import cupy

    names, clock, torch = dtypes.split(","), measuring.by_events(cupy), pytorch()
    with backends.use("cupy"):
        copy = measuring.copy_rate(backend, clock)
        gemm = {dtype: measuring.gemm_rate(backend, clock, dtype) for dtype in names}
        rows = list(measuring.measure(cases(batch), names, clock, torch, by_torch(torch) if torch else None))
        machine = (f"{backend.device()} (CuPy "
                   f"{backend.version()}{f', PyTorch {torch.__version__}' if torch else ''}, batch {batch})")
    text = page.report(machine, rows, copy, gemm)
    typer.echo(text)
    if write:
        write.write_text(replaced(write.read_text(encoding="utf-8"), "measured", text), encoding="utf-8")


def pytorch() -> Any:
    """PyTorch with CUDA, without TF32 and set to try cuDNN's algorithms; ``None`` where it is missing."""
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return torch


def by_torch(torch: Any) -> measuring.Clock:
    """The same clock for PyTorch's stream: CuPy's current stream is made the one that PyTorch uses."""
    import cupy

    stream, clock = (cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream),
                     measuring.by_events(cupy))

    def timed(function: Any) -> float:
        with stream:
            return clock(function)
    return timed


if __name__ == "__main__":
    typer.run(main)
