"""A module called with other parameters and buffers than its own: for gradients through updates (MAML)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.nn.module import Module

__all__ = ["functional_call"]


Values = Mapping[str, Tensor]


def functional_call(module: Module, parameter_and_buffer_dicts: Values | Sequence[Values], args: Any = None,
                    kwargs: Mapping[str, Any] | None = None, *, tie_weights: bool = True,
                    strict: bool = False) -> Any:
    """Call a module with these Tensors in the place of its parameters and buffers of the same names.

    Gradients go to the Tensors that are given. What the call does to buffers (batch norm's statistics) is
    done to those that are given, too.

    Parameters
    ----------
    parameter_and_buffer_dicts : dict of str to Tensor, or several
        By dotted names; what is missing stays as it is.
    args : tuple, or a single argument
        What the module is called with.
    kwargs : dict, optional
        Further arguments by name.
    tie_weights : bool
        A parameter of several names is replaced under all of them.
    strict : bool
        Refuse names that the module lacks, and a dict that lacks some of its own.

    Raises
    ------
    KeyError
        If the module has no such parameter or buffer.
    RuntimeError
        If `strict` and names differ.

    >>> import cnnkit
    >>> net = cnnkit.nn.Linear(1, 1)
    >>> weight = cnnkit.tensor([[2.0]], requires_grad=True)
    >>> y = functional_call(net, {"weight": weight, "bias": cnnkit.zeros(1)}, cnnkit.tensor([[3.0]]))
    >>> y.backward()
    >>> y.item(), weight.grad.item(), net.weight.grad
    (6.0, 3.0, None)
    """
    dicts = ([parameter_and_buffer_dicts] if isinstance(parameter_and_buffer_dicts, Mapping)
             else list(parameter_and_buffer_dicts))
    values = {name: value for part in dicts for name, value in part.items()}
    places = {name: value for held in (module.named_parameters(remove_duplicate=False),
                                       module.named_buffers(remove_duplicate=False)) for name, value in held}
    unknown, missing = values.keys() - places.keys(), places.keys() - values.keys()
    if strict and (unknown or missing):
        raise RuntimeError(f"functional_call: unexpected {sorted(unknown)}, missing {sorted(missing)}")
    if unknown:
        raise KeyError(f"{type(module).__name__} has no parameter or buffer {sorted(unknown)[0]!r}")
    if tie_weights:
        tied = {id(places[name]): value for name, value in values.items()}
        values = {name: tied[id(value)] for name, value in places.items() if id(value) in tied}
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, values):
        return module(*args, **(kwargs or {}))


@contextmanager
def _replaced(module: Module, values: Mapping[str, Tensor]) -> Iterator[None]:
    """Within the block, the attributes of these dotted names are other Tensors."""
    before = []
    try:
        for name, value in values.items():
            path, _, last = name.rpartition(".")
            attributes = vars(module.get_submodule(path))
            before.append((attributes, last, attributes[last]))
            attributes[last] = value
        yield
    finally:
        for attributes, last, value in reversed(before):
            attributes[last] = value
