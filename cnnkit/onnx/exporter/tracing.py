"""Calling a model on lazy arrays: its parameters and inputs are arguments of the graph that comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

from cnnkit import backends, nn, random
from cnnkit.autograd import Tensor, no_grad
from cnnkit.autograd.keeping import kept
from cnnkit.onnx.exporter.walking import unlike

__all__ = ["Signature", "trace", "weights_of"]


class Draws(Protocol):
    """What is called of the plug-in whose arrays write a graph, beside what every backend has."""

    def argument(self, shape: Sequence[int], dtype: Any) -> Any: ...
    def naming(self) -> AbstractContextManager[Any]: ...
    def graph(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any],
              names: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True)
class Signature:
    """Shape and dtype of one input, and its name in the graph."""

    name: str
    shape: tuple[int, ...]
    dtype: str


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by their first names in the ``state_dict``."""
    found: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        found.setdefault(id(tensor), (name, tensor))
    return dict(found.values())


def trace(model: nn.Module, inputs: Sequence[Signature], backend: backends.Backend,
          output_names: Sequence[str] | None) -> tuple[Any, list[str], list[str]]:
    """Call the model, in evaluation mode, on lazy arrays.

    Returns
    -------
    onnx.ModelProto, list of str, list of str
        The graph, whose inputs are the model's and then its parameters and buffers, and whose outputs are the
        model's among those of its layers; the names of the model's outputs; and those of the layers' results.

    Raises
    ------
    RuntimeError
        If the model reads a value, or draws random numbers.
    TypeError
        If what it returns is made of anything but Tensors.
    """
    draws = cast(Draws, backend)
    weights = weights_of(model)
    arguments = {s.name: draws.argument(s.shape, s.dtype) for s in inputs}
    lazy = {name: draws.argument(tensor.shape, tensor.dtype) for name, tensor in weights.items()}
    with ExitStack() as stack:
        stack.enter_context(kept(weights.values()))
        tables = [table.name for table in backends.kernel_tables(backend.name)]  # others' too
        for entered in (nn.evaluating(model), no_grad(), backends.use(backend), backends.tables(*tables)):
            stack.enter_context(entered)
        names = stack.enter_context(draws.naming())
        stack.enter_context(_no_draws(type(model).__name__))
        stack.enter_context(_scopes(model, names))
        for name, tensor in weights.items():
            tensor.rebind(lazy[name])
        result = model(*map(Tensor, arguments.values()))
        outputs = _named(result, output_names, backend)
    taken = {*outputs, *arguments, *lazy}
    notes = {unlike(name, taken): var for name, var in names.values.items()}
    return draws.graph({**arguments, **lazy}, outputs, notes), [*outputs], [*notes]


@contextmanager
def _no_draws(name: str) -> Iterator[None]:
    """Refuse what draws from the random generator, and leave that as it was."""
    before = random.get_state()
    try:
        yield
    finally:
        after = random.get_state()
        random.set_state(before)
    if after != before:
        raise _draw(name)


def _draw(name: str) -> RuntimeError:
    return RuntimeError(f"{name} draws random numbers although the model is evaluated (dropout in training "
                        "mode, noise), and a graph would repeat them for ever: draw only while "
                        "self.training is true, as in F.dropout(x, training=self.training)")


@contextmanager
def _scopes(model: nn.Module, names: Any) -> Iterator[None]:
    """Let `names` know which module runs, and errors say in which they were raised."""
    handles = []
    for path, module in model.named_modules():
        enter, leave = _hooks(path, names)
        handles += [module.register_forward_pre_hook(enter, prepend=True),
                    module.register_forward_hook(leave, always_call=True)]
    try:
        yield
    except Exception as error:
        if isinstance(error, TypeError) and "two backends" in str(error):
            error.add_note("Tensors that a model holds become part of the file where they are parameters or "
                           "buffers: register_buffer(name, tensor, persistent=False)")
        if names.scope:
            error.add_note(f"It was raised in {names.scope}, while the model was exported")
        raise
    finally:
        for handle in handles:
            handle.remove()


def _hooks(path: str, names: Any) -> tuple[Callable, Callable]:
    """What to call before and after a module's forward."""
    outer: list[tuple[str, Any]] = []

    def enter(module: nn.Module, args: Any) -> None:
        outer.append((names.scope, random.get_state()))
        names.scope = path

    def leave(module: nn.Module, args: Any, result: Any) -> None:
        if result is None:  # an error passes through, which names the scope
            return
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor):
                names.leave(path, tensor.array)
        names.scope, drawn_before = outer.pop()
        if random.get_state() != drawn_before:
            raise _draw(f"{path} ({type(module).__name__})" if path else type(module).__name__)
    return enter, leave


def _named(result: Any, names: Sequence[str] | None, backend: backends.Backend) -> dict[str, Any]:
    """The arrays of a model's result by name: a Tensor, or a tuple, list or mapping of them."""
    found: dict[str, Any] = {}

    def collect(value: Any, name: str) -> None:
        if isinstance(value, Tensor):
            found[name] = backend.asarray(value.array) if not backend.owns(value.array) else value.array
        elif isinstance(value, Mapping):
            for key, part in value.items():
                collect(part, str(key) if name == "output" else f"{name}_{key}")
        elif isinstance(value, tuple | list):
            for index, part in enumerate(value):
                collect(part, f"{name}_{index}" if index or name != "output" else name)
        else:
            raise TypeError(f"the model returns a {type(value).__name__} ({name}); export() takes models "
                            "that return Tensors, or tuples, lists and mappings of them")
    collect(result, "output")
    if not found:
        raise TypeError("the model returns no Tensor, so there is nothing to export")
    if names is None:
        return found
    if len(names) != len(found) or len({*names}) != len(names):
        raise ValueError(f"output_names={list(names)}: the model has {len(found)} outputs, "
                         "each of which needs a name of its own")
    return dict(zip(names, found.values()))
