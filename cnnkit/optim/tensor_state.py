"""An optimizer's state as PyTorch shows it: parameter -> name -> Tensor or number, for anyone to change.

Built-in optimizers keep columns of arrays, which updates take as they are. Once somebody has asked for
`Optimizer.state`, or where a subclass has a `step` of its own, this mapping is the state.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.backends import backend_of, namespace_of
from cnnkit.foreign import device_of, is_array, is_tensor
from cnnkit.ops.dtypes import is_floating
from cnnkit.ops.update import NUMBERS, state_dtype

__all__ = ["TensorState", "changes", "columns", "converted", "converted_tree", "copied",
           "copied_tree", "new_state", "tensor_of"]

TensorState = defaultdict[Any, dict[str, Any]]


def new_state() -> TensorState:
    """A state in which every parameter has an empty dict as soon as it is looked up."""
    return defaultdict(dict)


def tensor_of(value: Any) -> Any:
    """A Tensor around an array of the state; numbers as they are."""
    return value if type(value) in NUMBERS else Tensor(value)


def columns(state: Mapping[Any, Mapping[str, Any]], parameters: Sequence[Tensor],
            convert: Callable[[Any, Tensor, str, int], Any]) -> dict[str, list[Any]]:
    """The state of some parameters as updates take it: name -> one value for each parameter.

    ``convert(value, parameter, name, position)`` makes an array, or a number, of what somebody has put there.
    """
    found: dict[str, list] = {}
    for i, parameter in enumerate(parameters):
        for name, value in state.get(parameter, {}).items():
            if value is not None:
                column = found.setdefault(name, [None] * len(parameters))
                column[i] = convert(value, parameter, name, i)
    return found


def changes(state: TensorState, parameters: Sequence[Tensor], grads: Sequence[Any],
            new: Mapping[str, list[Any]]) -> list[tuple[Any, Any, Any]]:
    """What to set for the `new` columns to be the state of parameters with a gradient: (dict, key, value)."""
    todo: list[tuple[Any, Any, Any]] = []
    for i, (parameter, grad) in enumerate(zip(parameters, grads)):
        if grad is None:
            continue
        entry = state.get(parameter)
        if entry is None:
            entry = {}
            todo.append((state, parameter, entry))
        todo += [(entry, name, tensor_of(column[i])) for name, column in new.items() if column[i] is not None]
    return todo


def copied_tree(value: Any) -> Any:
    """A copy of a value of the state, whose Tensors share no memory with it."""
    return _mapped(value, lambda tensor: copied(tensor.array))


def converted_tree(value: Any, parameter: Tensor, name: str) -> Any:
    """A copy on the parameter's device; floating-point Tensors in its dtype, but ``step``, as in PyTorch."""
    array = parameter.array
    backend = backend_of(array)

    def moved(tensor: Tensor) -> Tensor:
        values = tensor.array if backend_of(tensor.array) is backend else tensor.numpy()
        floats = is_floating(array.dtype) and is_floating(values.dtype) and name != "step"
        dtype = array.dtype if floats else backend.dtype(tensor.dtype)
        xp = namespace_of(array)
        return Tensor(xp.asarray(backend.asarray(values, dtype, device_of(array)), copy=True))
    return _mapped(value, moved)


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor) or is_tensor(value):  # ours, or PyTorch's
        return change(value if isinstance(value, Tensor) else Tensor(value))
    if isinstance(value, Mapping):
        return {key: _mapped(v, change) for key, v in value.items()}
    if isinstance(value, list | tuple):
        values: Iterable = (_mapped(v, change) for v in value)
        return list(values) if isinstance(value, list) else tuple(values)
    return copy.deepcopy(value)


def copied(array: Any) -> Tensor:
    """A Tensor of a copy of this array."""
    return Tensor(backend_of(array).asarray(array))


def converted(value: Any, parameter: Tensor, name: str, number: int) -> Any:
    """A state array as a new array of the parameter's backend and device, in the dtype that its state has."""
    if not is_array(value):
        raise ValueError(f"state {name!r} of parameter {number} must be an array; "
                         f"got {type(value).__name__}: {value!r:.60}")
    tensor, array = value if isinstance(value, Tensor) else Tensor(value), parameter.array
    if tensor.shape != parameter.shape:
        raise ValueError(f"state {name!r} of parameter {number} has shape {tensor.shape}; "
                         f"the parameter has {parameter.shape}")
    backend = backend_of(array)
    values = tensor.array if backend_of(tensor.array) is backend else tensor.numpy()
    return backend.asarray(values, state_dtype(array.dtype), device_of(array))
