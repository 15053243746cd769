"""A module's parameters, buffers and children as mappings, by PyTorch's names ``_parameters`` and so on."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

__all__: list[str] = []


class Registry(MutableMapping):
    """What a module holds in one role, by name; a view: to set or delete an item is to do it to the module.

    >>> from cnnkit import nn
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> list(layer._parameters.items())[1]
    ('bias', None)
    >>> del layer._parameters["bias"]
    >>> hasattr(layer, "bias")
    False
    """

    def __init__(self, module: Any, role: str):
        self._module, self._role = module, role

    def __getitem__(self, name: str) -> Any:
        if self._module._role_of(name) != self._role:
            raise KeyError(name)
        return vars(self._module)[name]

    def __setitem__(self, name: str, value: Any) -> None:
        register = {"parameter": self._module.register_parameter, "child module": self._module.add_module,
                    "buffer": self._module.register_buffer}[self._role]
        register(name, value)

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self._module, name)

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in vars(self._module) if self._module._role_of(name) == self._role])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return repr(dict(self))
