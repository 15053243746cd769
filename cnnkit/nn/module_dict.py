"""ModuleDict, modules by name."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any

from cnnkit.nn.attributes import children_of, hint_of
from cnnkit.nn.module import Module

__all__ = ["ModuleDict"]


class ModuleDict(Module):
    """Modules by name, in the order in which they came; their parameters count as the owner's.

    Parameters
    ----------
    modules : mapping of str to Module, or iterable of pairs, optional
        The first modules.

    >>> from cnnkit import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(4, 10)})
    >>> heads["parity"] = nn.Linear(4, 2)
    >>> list(heads)
    ['digit', 'parity']
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        modules: dict[str, Module] = dict(children_of(self))
        if key not in modules:
            raise KeyError(f"{type(self).__name__} has no module {key!r}; "
                           f"it has {', '.join(modules) or 'none'}")
        return modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__} holds modules; "
                            f"got {type(module).__name__}: {module!r:.60}{hint_of(module)}")
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        self[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(dict(children_of(self)))

    def __iter__(self) -> Iterator[str]:
        return iter(dict(children_of(self)))

    def __contains__(self, key: Any) -> bool:
        return key in dict(children_of(self))

    def keys(self) -> KeysView[str]:
        """The names."""
        return dict(children_of(self)).keys()

    def values(self) -> ValuesView[Module]:
        """The modules."""
        return dict(children_of(self)).values()

    def items(self) -> ItemsView[str, Module]:
        """The names with their modules."""
        return dict(children_of(self)).items()

    def pop(self, key: str) -> Module:
        """Take a module out and return it."""
        module = self[key]
        delattr(self, key)
        return module

    def clear(self) -> None:
        """Take all modules out."""
        for key in dict(children_of(self)):
            delattr(self, key)

    def update(self, modules: Mapping[str, Module] | ModuleDict | Iterable[tuple[str, Module]]) -> None:
        """Add modules, or put them in place of those of the same names."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"{type(self).__name__}.update() needs a mapping, or pairs of name and module; "
                            f"got {type(modules).__name__}")
        pairs: Iterable[Any] = modules.items() if isinstance(modules, Mapping | ModuleDict) else modules
        for number, pair in enumerate(pairs):
            if not isinstance(pair, Iterable):
                raise TypeError(f"{type(self).__name__}.update() needs pairs of name and module; "
                                f"number {number} is {type(pair).__name__}")
            name_and_module = tuple(pair)
            if len(name_and_module) != 2:
                raise ValueError(f"{type(self).__name__}.update() needs pairs of name and module; number "
                                 f"{number} has {len(name_and_module)} values")
            self[name_and_module[0]] = name_and_module[1]
