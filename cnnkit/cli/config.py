"""Settings of a command in a TOML file: ``--config FILE`` reads them, ``--export-config`` prints them."""

from __future__ import annotations

import difflib
import json
import re
import shlex
from pathlib import Path
from typing import Any

import typer

from cnnkit.cli.toml_file import read_toml
from cnnkit.storage import FormatError

__all__ = ["command_line", "export", "read_config", "settings_of"]

NO_SETTINGS = ("config", "export_config", "resume", "accept_changes", "help")


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take the file's settings as the command's defaults; options on the command line override them.

    Raises
    ------
    FormatError
        A ValueError: if the file is no TOML, or has a name that is no option of the command.
    """
    if path is None:
        return None
    try:
        settings = read_toml(path)
    except ValueError as error:
        raise FormatError(f"--config: {error}") from None
    parameters = _parameters(context)
    names, defaults = list(parameters), {}
    for name, value in settings.items():
        key = name.replace("-", "_")
        if key not in names:
            close = difflib.get_close_matches(key, names, n=1)
            raise FormatError(f"--config: {path} has {name!r}, which is no setting of {context.command_path}"
                             + (f"; did you mean {close[0].replace('_', '-')!r}?"
                                if close else f"; there are {', '.join(names)}"))
        parameter = parameters[key]
        if parameter.multiple and isinstance(value, dict):  # [set] dropout = 0.5
            value = [f"{argument}={json.dumps(of_it)}" for argument, of_it in value.items()]
        if isinstance(value, list) != parameter.multiple:
            kind = "a list of texts, or a table," if parameter.multiple else "one value,"
            raise FormatError(f"--config: {path}: {name} must be {kind} not {value!r}")
        defaults[parameter.name] = value
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
                     for name, value in settings.items() if value not in (None, [], ()))


def settings_of(context: typer.Context) -> dict[str, Any]:
    """Every setting of the command that is being run, by the name of its option."""
    values = {key: context.params.get(parameter.name) for key, parameter in _parameters(context).items()}
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}


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
        elif isinstance(value, list | tuple):
            words += [word for item in value for word in (parameter.opts[0], str(item))]
        else:
            words += [parameter.opts[0], str(value)]
    return shlex.join([*words, *options])


def _parameters(context: typer.Context) -> dict[str, Any]:
    """The command's settings: name of an option, with underscores, or of an argument -> its parameter."""
    return {p.opts[0].lstrip("-").replace("-", "_") if p.param_type_name == "option" else p.name or "": p
            for p in context.command.params if p.name not in NO_SETTINGS}


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    text = str(value).encode("utf-8", "backslashreplace").decode()  # names of files may not be UTF-8
    quoted = json.dumps(text, ensure_ascii=False)
    # control characters that JSON leaves as they are
    return re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", quoted)
