"""TOML files: settings that somebody wrote, with one error for whatever is wrong with them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from cnnkit.storage import FormatError, limits, read_text

__all__ = ["read_toml"]


def read_toml(path: Path) -> dict[str, Any]:
    """The settings in a TOML file.

    Raises
    ------
    OSError
        If it cannot be opened.
    FormatError
        A ValueError: if it is no TOML file, or no regular file; the message names it.
    """
    try:
        return tomllib.loads(read_text(path, limits.limit("text_bytes")))
    except FormatError:
        raise
    except RecursionError:
        raise FormatError(f"{path} is no TOML file (its lists are nested too deep)") from None
    except ValueError as error:  # also of text that is no UTF-8
        raise FormatError(f"{path} is no TOML file ({error})") from None
