"""ParameterDict, parameters by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.nn.module import Module
from cnnkit.nn.parameter import Parameter

__all__ = ["ParameterDict"]


class ParameterDict(Module, MutableMapping):
    """Parameters by name that count as the owner's; a Tensor that is put in becomes a `Parameter`.

    Parameters
    ----------
    parameters : mapping of str to Tensor, or iterable of pairs, optional
        The first parameters.

    >>> import cnnkit
    >>> scales = ParameterDict({"left": cnnkit.ones(1)})
    >>> scales["right"] = cnnkit.ones(2)
    >>> [name for name, _ in scales.named_parameters()]
    ['left', 'right']
    """

    def __init__(self, parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] | None = None):
        super().__init__()
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Parameter:
        if key not in self._parameters:
            raise KeyError(f"ParameterDict has no parameter {key!r}; it has "
                           f"{', '.join(self._parameters) or 'none'}")
        return self._parameters[key]

    def __setitem__(self, key: str, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"ParameterDict holds Tensors; got {type(value).__name__}: {value!r:.60}")
        self.register_parameter(key, value if isinstance(value, Parameter) else Parameter(value))

    def __delitem__(self, key: str) -> None:
        self[key]
        delattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def __eq__(self, other: Any) -> bool:
        return self is other

    __hash__ = object.__hash__

    def extra_repr(self) -> str:
        return "\n".join(f"({name}): Parameter of shape {value.shape}" for name, value in self.items())
