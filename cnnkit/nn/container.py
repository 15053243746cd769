"""Containers of layers: Sequential runs them one after the other, ModuleList only holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from cnnkit.nn.module import Module

__all__ = ["ModuleList", "Sequential"]


class _Indexed(Module):
    """Children that can be counted, indexed, sliced and appended to."""

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: int | slice) -> Any:
        layers = list(self.children())
        if isinstance(index, slice):
            return self._from_named(list(self.named_children())[index])
        if not -len(layers) <= index < len(layers):
            raise IndexError(f"{type(self).__name__} has {len(layers)} modules; there is no number {index}")
        return layers[index]

    def __setitem__(self, index: int, module: Module) -> None:
        name = [n for n, _ in self.named_children()][index]
        setattr(self, name, _checked(self, module))

    def _from_named(self, named_modules: list[tuple[str, Module]]) -> Any:
        new = type(self)()
        for name, module in named_modules:
            setattr(new, name, module)
        return new

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        setattr(self, str(len(self)), _checked(self, module))
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self


class Sequential(_Indexed):
    """Layers that run one after the other.

    Parameters
    ----------
    *layers : Module
        The layers in order, or one mapping from names to layers.

    >>> from cnnkit import nn
    >>> nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): Linear(in_features=4, out_features=2, bias=True)
    )
    """

    def __init__(self, *layers: Any):
        super().__init__()
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            for name, module in layers[0].items():
                setattr(self, name, _checked(self, module))
        else:
            self.extend(layers)

    def forward(self, x: Any) -> Any:
        """Pass `x` through all layers."""
        for layer in vars(self).values():
            if isinstance(layer, Module):
                x = layer(x)
        return x


class ModuleList(_Indexed):
    """A list of modules whose parameters count as the owner's.

    Parameters
    ----------
    modules : iterable of Module
        The first modules of the list.
    """

    def __init__(self, modules: Iterable[Module] = ()):
        super().__init__()
        self.extend(modules)

    def __repr__(self) -> str:
        runs: list[list] = []  # first number, last number, repr: equal neighbours share a line
        for n, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1][1] = n
            else:
                runs.append([n, n, text])
        lines = [f"  ({a}): {text}" if a == b else f"  ({a}-{b}): {b - a + 1} x {text}"
                 for a, b, text in runs]
        return ("\n".join(["ModuleList(", *(line.replace("\n", "\n  ") for line in lines), ")"])
                if lines else "ModuleList()")


def _checked(owner: Module, module: Any) -> Module:
    if not isinstance(module, Module):
        raise TypeError(f"{type(owner).__name__} holds modules; got {type(module).__name__}: {module!r:.60}"
                        + (" (did you mean an instance, with brackets?)" if isinstance(module, type) else ""))
    return module
