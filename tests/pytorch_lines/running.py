"""Running one line with one library, and its result as plain values."""

import ast
import functools
import warnings
from collections.abc import Mapping

import numpy as np

import cnnkit


def names_of(library):
    """The names that a line finds, of cnnkit or of PyTorch."""
    if library == "cnnkit":
        return {"torch": cnnkit, "nn": cnnkit.nn, "F": cnnkit.functional, "optim": cnnkit.optim}
    import torch

    return {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "optim": torch.optim}


def outcome(line, preamble, library):
    """The line's value as plain values, or the built-in class of the exception that it raises."""
    names = {"__name__": "line", "np": np, **names_of(library)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of what it will change
        exec(compiled(preamble)[0], names)
        statements, expression = compiled(line)
        try:
            exec(statements, names)
            return None if expression is None else plain(eval(expression, names))
        except Exception as error:
            return next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
        finally:
            names["torch"].set_grad_enabled(True)  # whatever the line has left


@functools.cache
def compiled(text):
    """Code of the statements, and of the expression at the end or ``None``."""
    tree = ast.parse(text)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    return (compile(tree, text, "exec"),
            None if last is None else compile(ast.Expression(last.value), text, "eval"))


def plain(value):
    """Tensors, arrays and sequences as lists, modules as their classes' names."""
    if hasattr(value, "named_modules"):
        return type(value).__name__
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
