"""The order of a graph's calls: which module makes what of what, and when a value is no longer needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cnnkit.onnx.importer.graph import Node

__all__ = ["Choice", "Step", "program", "run"]


@dataclass(frozen=True)
class Step:
    """A call of the module called `module`; `done` are the values that are not read after it."""

    module: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    done: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """One of two programs, by a truth value, and the names under which its results are read on."""

    condition: str
    programs: tuple[tuple[Step | Choice, ...], tuple[Step | Choice, ...]]  # where it is true, and false
    results: tuple[tuple[str, ...], tuple[str, ...]]
    outputs: tuple[str, ...]
    done: tuple[str, ...]


def program(nodes: Iterable[Node], outputs: tuple[str, ...], modules: Mapping[int, str],
            kept: frozenset[str] = frozenset()) -> tuple[Step | Choice, ...]:
    """The calls of these nodes, whose modules' names are given by the nodes' ids.

    Parameters
    ----------
    outputs : tuple of str
        What is read after the last call.
    kept : frozenset of str
        What is read by others, and must not be given up.
    """
    nodes = tuple(nodes)
    last = {name: number for number, node in enumerate(nodes) for name in node.inputs}
    steps: list[Step | Choice] = []
    for number, node in enumerate(nodes):
        done = {n for n in (*node.inputs, *node.outputs) if last.get(n, number) == number}
        gone = tuple(sorted(done - {*outputs, ""} - kept))
        if not node.branches:
            steps.append(Step(modules[id(node)], node.inputs, node.outputs, gone))
            continue
        branches = node.attributes["then_branch"], node.attributes["else_branch"]
        first, second = (program(b.nodes, b.outputs, modules, frozenset(b.read)) for b in branches)
        steps.append(Choice(node.inputs[0], (first, second), (branches[0].outputs, branches[1].outputs),
                            node.outputs, gone))
    return tuple(steps)


def run(steps: Iterable[Step | Choice], modules: Mapping[str, Any], values: dict[str, Any]) -> None:
    """Call the modules one after the other; `values`, by name, get the results, and lose what is done.
    """
    for step in steps:
        if isinstance(step, Choice):
            taken = 0 if bool(values[step.condition].item()) else 1
            run(step.programs[taken], modules, values)
            values.update((n, values[inner]) for n, inner in zip(step.outputs, step.results[taken]) if n)
        else:
            results = modules[step.module](*[values[n] if n else None for n in step.inputs])
            if not isinstance(results, tuple):
                results = (results,)
            values.update((n, value) for n, value in zip(step.outputs, results) if n)
            del results
        for n in step.done:
            values.pop(n, None)
