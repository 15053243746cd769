"""What an operator of ONNX's is to the importer: one function, whose signature is its declaration.

Positional parameters are the operator's inputs in ONNX's order, those with a default optional. Keyword-only
parameters are its attributes, under ONNX's names and with ONNX's defaults; the annotation is the attribute's
type. Three names are no attributes: a function that has `opset`, `training` or `results` is given the version
of the operator set, whether the model trains, and how many outputs are wanted.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["OLDEST", "OPERATORS", "Floats", "Ints", "Operator", "operator", "operator_for", "supported"]

Ints = tuple[int, ...]
Floats = tuple[float, ...]
GIVEN = ("opset", "training", "results")
OLDEST = 7  # the version of the operator set whose broadcasting is NumPy's; most operators begin there
OPERATORS: dict[str, list[Operator]] = {}


@dataclass(frozen=True)
class Operator:
    """An operator of ONNX's from one version of the operator set on, up to another.

    Attributes
    ----------
    name : str
        ONNX's.
    since, until : int
        The first and the last version of the operator set that this is the meaning in.
    function : callable
        Takes Tensors, and attributes as keywords; returns a Tensor, or a tuple of them.
    inputs : tuple of str
        The names of the inputs.
    required : int
        How many of them there must be.
    variadic : bool
        Whether any number of inputs may follow.
    attributes : mapping of str to (str, default)
        Each attribute's type, and its default; `inspect.Parameter.empty` where it must be given.
    given : tuple of str
        Which of `GIVEN` the function takes.
    settings : frozenset of str
        Inputs that say how and are not computed with, as the axes of a sum: their values are read, so they
        stay on the host, and are never parameters.
    state : frozenset of str
        Inputs that are a model's state, and no parameters: running statistics.
    foldable : bool
        Whether it is computed at once where its inputs are constants.
    elementwise : bool
        Whether a single number among its inputs is a constant, and no weight.
    """

    name: str
    since: int
    until: int
    function: Callable
    inputs: tuple[str, ...]
    required: int
    variadic: bool
    attributes: Mapping[str, tuple[str, Any]]
    given: tuple[str, ...]
    settings: frozenset[str]
    state: frozenset[str]
    foldable: bool
    elementwise: bool

    def __reduce__(self) -> tuple[Any, ...]:  # its function may be one that pickle does not find by name
        return operator_for, (self.name, self.since)

    def input_name(self, position: int) -> str:
        """The name of an input by its position."""
        return self.inputs[min(position, len(self.inputs) - 1)] if self.inputs else ""


def operator(*names: str, since: int = OLDEST, until: int = 10**9, settings: str = "", state: str = "",
             foldable: bool = False, elementwise: bool = False) -> Callable[[Callable], Callable]:
    """Declare that a function is an operator, or several; `settings` and `state` name inputs."""
    def declare(function: Callable) -> Callable:
        parameters = inspect.signature(function).parameters.values()
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        variadic = [p for p in parameters if p.kind is p.VAR_POSITIONAL]
        keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        for name in names or (function.__name__,):
            declared = Operator(
                name, since, until, function, tuple(p.name for p in (*positional, *variadic)),
                sum(p.default is p.empty for p in positional), bool(variadic),
                {p.name: (p.annotation.removesuffix(" | None"), p.default)
                 for p in keywords if p.name not in GIVEN},
                tuple(p.name for p in keywords if p.name in GIVEN), frozenset(settings.split()),
                frozenset(state.split()), foldable, elementwise)
            versions = OPERATORS.setdefault(name, [])
            if any(since <= other.until and other.since <= until for other in versions):
                raise ValueError(f"the operator {name} is declared twice for one version")
            versions.append(declared)
        return function
    return declare


def operator_for(name: str, opset: int) -> Operator | None:
    """The operator of that name in a version of the operator set; ``None`` where there is none."""
    return next((o for o in OPERATORS.get(name, ()) if o.since <= opset <= o.until), None)


def supported() -> dict[str, tuple[int, ...]]:
    """The names of all operators, each with the versions from which on its meaning is another one."""
    return {name: tuple(sorted(o.since for o in versions)) for name, versions in sorted(OPERATORS.items())}
