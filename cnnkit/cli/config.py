"""Settings of a command in a TOML file: ``--config FILE`` reads them, ``--export-config`` prints them."""

from __future__ import annotations

import difflib
import json
import shlex
import tomllib
from pathlib import Path
from typing import Any

import typer

__all__ = ["command_line", "export", "read_config", "settings_of"]

NO_SETTINGS = ("config", "export_config", "resume", "help")


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take the file's settings as the command's defaults; options on the command line override them.

    Raises
    ------
    ValueError
        If the file is no TOML, or has a name that is no option of the command.
    """
    if path is None:
        return None
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"--config: {path} is no TOML file ({error})") from None
    names = [name for p in context.command.params if (name := p.name or "") not in NO_SETTINGS]
    defaults = {}
    for name, value in settings.items():
        key = name.replace("-", "_")
        if key not in names:
            close = difflib.get_close_matches(key, names, n=1)
            raise ValueError(f"--config: {path} has {name!r}, which is no setting of {context.command_path}"
                             + (f"; did you mean {close[0].replace('_', '-')!r}?"
                                if close else f"; there are {', '.join(names)}"))
        if isinstance(value, dict | list):
            raise ValueError(f"--config: {path}: {name} must be one value, not {value!r}")
        defaults[key] = value
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


def export(settings: dict[str, Any]) -> str:
    """Settings as TOML, those that are not set left out.

    >>> print(export({"data": "digits", "lr": 0.001, "batch_size": 32, "val": None, "download": False}))
    data = "digits"
    lr = 0.001
    batch-size = 32
    download = false
    """
    return "\n".join(f"{name.replace('_', '-')} = {_toml(value)}"
                     for name, value in settings.items() if value is not None)


def settings_of(context: typer.Context) -> dict[str, Any]:
    """Every setting of the command that is being run."""
    values = {name: context.params.get(name) for p in context.command.params
              if (name := p.name or "") not in NO_SETTINGS}
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def command_line(context: typer.Context, *options: str) -> str:
    """The command line of the present run, with further `options`."""
    words = context.command_path.split()
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name in NO_SETTINGS or source is None or source.name == "DEFAULT":
            continue
        value = context.params[name]
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif isinstance(value, bool):
            words += [parameter.opts[0]] * value
        else:
            words += [parameter.opts[0], str(value)]
    return shlex.join([*words, *options])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    text = str(value).encode("utf-8", "backslashreplace").decode()  # names of files may not be UTF-8
    return json.dumps(text, ensure_ascii=False)
