"""``python -m cnnkit_softcuda COMMAND``: run a command whose CuPy has a CUDA device in software.

``python -m cnnkit_softcuda pytest --backend cupy`` is the command of a machine with a GPU, behind this one.
Programs that the command starts have the device too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cnnkit_softcuda.build import build
from cnnkit_softcuda.cache import BuildError
from cnnkit_softcuda.environment import STREAMS, environment


def main(
    context: typer.Context,
    devices: Annotated[int, typer.Option(min=1, max=16, help="How many devices there are.")] = 1,
    arch: Annotated[int, typer.Option(help="Their architecture: 80 is Ampere.")] = 80,
    streams: Annotated[str, typer.Option(help="When a stream's work runs: 'eager' at once, 'late' when "
                                              "somebody waits for it, or 'random:SEED'.")] = "eager",
    watch: Annotated[bool, typer.Option(help="Look for races, and for reads of shared memory that nobody "
                                             "has written.")] = False,
    order: Annotated[str, typer.Option(help="Of warps and blocks: 'numbered', 'reversed' or 'random:SEED'.")]
        = "numbered",
    null: Annotated[bool, typer.Option(help="Run no kernel: what is left is the host's time.")] = False,
) -> None:
    """Run a command on a CUDA device in software."""
    if not context.args:
        raise typer.BadParameter("which command? For example: "
                                 "python -m cnnkit_softcuda pytest --backend cupy")
    stream_kind, _, stream_seed = streams.partition(":")
    order_kind, _, order_seed = order.partition(":")
    if stream_kind not in STREAMS or order_kind not in ("numbered", "reversed", "random"):
        raise typer.BadParameter(f"--streams {streams} --order {order}: there are {', '.join(STREAMS)}; "
                                 "numbered, reversed, random")
    settings = {"devices": devices, "arch": arch, "streams": STREAMS.index(stream_kind),
                "seed": int(stream_seed or 1), "watch": int(watch), "null": int(null),
                "order": {"numbered": 0, "reversed": 1, "random": 1 + int(order_seed or 1)}[order_kind]}
    try:
        built = build()
    except BuildError as error:
        print(f"the software device cannot be built: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    os.environ.update(environment(built, settings))
    command = context.args
    beside = Path(sys.executable).parent / command[0]  # of this environment, which need not be activated
    if command[0] == "python":
        command = [sys.executable, *command[1:]]
    elif os.sep not in command[0] and beside.is_file():
        command = [str(beside), *command[1:]]
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        raise typer.Exit(127) from None


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False,
                                  "allow_extra_args": True})(main)
    app()
