"""The command line: ``cnnkit train``, ``augment``, ``predict``, ``evaluate``, ``advise``, ``report``,
``summary``, ``explain``, ``show``, ``compare``, ``profile``, ``export``, ``backends``, ``check``, ``bench``,
``warm-up``.

A mistake gets one readable line and exit status 2; a check that fails gives status 1. There is
a traceback only where the environment variable CNNKIT_TRACEBACK asks for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
import warnings
from io import TextIOWrapper

import typer

from cnnkit.backends import Unavailable
from cnnkit.cli import (
    advising,
    augmenting,
    benching,
    comparing,
    exporting,
    inspecting,
    predicting,
    profiling,
    reporting,
    training,
    warming,
)
from cnnkit.cli.screen import Ended, error_screen, with_notes

__all__ = ["app", "main", "run"]

CLOSED = 128 + 13  # the status where nobody reads the output any more, as of a command that SIGPIPE ends
INTERRUPTED = 128 + signal.SIGINT
TRACEBACK = "CNNKIT_TRACEBACK"  # in the environment: 1 shows where an error comes from

# Typer builds on Click, newer versions on a copy of it inside Typer; these are the exceptions of either.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]
ClickException: type[Exception] = UsageError.__bases__[0]

app = typer.Typer(name="cnnkit", help="Train convolutional networks on any array library.",
                  no_args_is_help=False, add_completion=False, pretty_exceptions_enable=False,
                  rich_markup_mode="rich")
app.command()(training.train)
app.command()(augmenting.augment)
app.command()(predicting.predict)
app.command()(predicting.evaluate)
app.command()(reporting.report)
app.command()(advising.advise)
app.command()(inspecting.summary)
app.command()(inspecting.explain)
app.command()(inspecting.show)
app.command()(comparing.compare)
app.command()(profiling.profile)
app.command()(exporting.export)
app.command()(inspecting.backends)
app.command()(inspecting.check)
app.command("warm-up")(warming.warm_up)
app.command()(benching.bench)


@app.callback(invoke_without_command=True)
def root(context: typer.Context,
         version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    """Train convolutional networks on any array library."""
    if context.invoked_subcommand is None and not version:
        print(context.get_help())
    if version:
        import cnnkit

        print(f"cnnkit {cnnkit.__version__}")
        raise typer.Exit


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    What the output cannot express, such as bytes of a file's name that are no UTF-8, is escaped. A warning is
    one line, as a mistake is, also one in a thread or in what is being given back.
    """
    warnings.showwarning = lambda message, *_, **__: (  # type: ignore[assignment]
        error_screen().print(f"cnnkit: {' '.join(str(message).split())}"))
    threading.excepthook = lambda error: _unraised(error.exc_value)
    sys.unraisablehook = lambda error: _unraised(error.exc_value)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_written(run(arguments)))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    try:
        status = app(args=arguments, prog_name="cnnkit", standalone_mode=False)
    except Ended as end:
        return _fail(str(end), end.status)
    except typer.Exit as stop:
        return stop.exit_code
    except ClickException as error:
        context = error.ctx if isinstance(error, UsageError) else None  # type: ignore[attr-defined]
        where = context.command_path if context is not None else "cnnkit"
        return _fail(f"{where}: {error.format_message()} (see {where} --help)")  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED)
    except SystemExit as stop:
        return CLOSED if isinstance(stop.__context__, BrokenPipeError) else _ended(stop.code)
    except BrokenPipeError:
        return CLOSED
    except MemoryError as error:
        what = str(error) or "out of memory"
        return _fail(with_notes(error, f"there is not enough memory for this ({what})"))
    except OSError as error:
        return _fail(with_notes(error, f"{error.filename}: {error.strerror}"
                                if error.filename and error.strerror else str(error)))
    except (ValueError, TypeError, Unavailable, ArithmeticError, ImportError) as error:
        return _fail(with_notes(error, str(error) or type(error).__name__))
    except Exception as error:  # the last resort: whatever happens, one line
        what = f"{type(error).__name__}: {str(error) or 'no message'}"
        return _fail(with_notes(error, f"this should not have happened, {what} "
                                       f"({TRACEBACK}=1 shows where; please report it)"))
    if status == INTERRUPTED:  # newer versions of Typer make this of a KeyboardInterrupt
        return _fail("interrupted", INTERRUPTED)
    return status if isinstance(status, int) else 0


def _fail(message: str, status: int = 2) -> int:
    if _wants_traceback() and sys.exc_info()[0] is not None:
        error_screen().print(traceback.format_exc())
    line = " ".join(message.split())
    error_screen().print(line if line.startswith("cnnkit") else f"cnnkit: {line}")
    return status


def _ended(code: object) -> int:
    """The status of a command that a signal or code of the user's ended."""
    if not isinstance(code, int):
        return 0 if code is None else _fail(str(code), 1)
    names = {128 + number: number.name for number in signal.Signals}
    return _fail(f"ended by {names[code]}", code) if code in names else code


def _unraised(error: BaseException | None) -> None:
    """One line on an error that nobody can catch."""
    if _wants_traceback():
        error_screen().print("".join(traceback.format_exception(error)))
    error_screen().print(f"cnnkit: {type(error).__name__}: {' '.join(str(error).split())}")


def _wants_traceback() -> bool:
    return os.environ.get(TRACEBACK, "0") not in ("", "0")


def _written(status: int) -> int:
    """The exit status when all output is written: Python's own last attempt would show a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError) as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            with contextlib.suppress(OSError, ValueError):
                os.dup2(nowhere, stream.fileno())
            status = status or (CLOSED if isinstance(error, BrokenPipeError) else _fail(str(error)))
    return status
