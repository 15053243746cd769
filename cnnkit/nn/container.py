"""Containers in order: Sequential runs layers one after the other, ModuleList and ParameterList only hold."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from cnnkit.autograd import Tensor
from cnnkit.nn.attributes import children_of, hint_of
from cnnkit.nn.module import Module
from cnnkit.nn.parameter import Parameter

__all__ = ["ModuleList", "ParameterList", "Sequential"]


class _Indexed(Module):
    """What a list can do: its items are attributes, whose names are their numbers where nobody named them."""

    def _items(self) -> list[tuple[str, Any]]:
        return children_of(self)

    def _checked(self, value: Any) -> Any:
        """The value as it is held; raise TypeError where it does not belong here."""
        if not isinstance(value, Module):
            raise TypeError(f"{type(self).__name__} holds modules; "
                            f"got {type(value).__name__}: {value!r:.60}{hint_of(value)}")
        return value

    def _index_of(self, index: Any, last: int = 0) -> int:
        """A whole number from -len to len - 1 (or `last` more), from 0 on."""
        n, count = operator.index(index), len(self)
        if not -count <= n < count + last:
            raise IndexError(f"{type(self).__name__} has {count} items; there is no number {n}")
        return n + count if n < 0 else n

    def _refill(self, values: Iterable[Any]) -> None:
        """Hold these values in place of those that are held, under their numbers."""
        values = list(values)
        for name, _ in self._items():
            delattr(self, name)
        for value in values:
            self._add(value)

    def _add(self, value: Any) -> None:
        number = len(self)
        while str(number) in vars(self):  # somebody named an item by a number
            number += 1
        setattr(self, str(number), value)

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[Any]:
        return iter([value for _, value in self._items()])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._part(self._items()[index])
        return self._items()[self._index_of(index)][1]

    def _part(self, items: list[tuple[str, Any]]) -> Any:
        """A container of the same class with these items, without a call of the class's own constructor."""
        part = type(self).__new__(type(self))
        Module.__init__(part)
        for _, value in items:
            part._add(value)
        return part

    def __setitem__(self, index: Any, value: Any) -> None:
        name, _ = self._items()[self._index_of(index)]
        setattr(self, name, self._checked(value))

    def __delitem__(self, index: Any) -> None:
        values = list(self)
        del values[index if isinstance(index, slice) else self._index_of(index)]
        self._refill(values)

    def append(self, module: Any) -> Self:
        """Add an item at the end."""
        self._add(self._checked(module))
        return self

    def extend(self, modules: Iterable[Any]) -> Self:
        """Add items at the end."""
        if isinstance(modules, Tensor) or not isinstance(modules, Iterable):
            raise TypeError(f"{type(self).__name__} takes an iterable of items; "
                            f"got {type(modules).__name__}: put it in a list")
        for module in [self._checked(module) for module in modules]:
            self._add(module)
        return self

    def insert(self, index: int, module: Any) -> Self:
        """Put an item before the one at `index`; the items are numbered anew."""
        items = list(self)
        items.insert(self._index_of(index, last=1), self._checked(module))
        self._refill(items)
        return self

    def pop(self, index: Any = -1) -> Any:
        """Take an item out and return it; the others are numbered anew."""
        value = self[index]
        del self[index]
        return value


class Sequential(_Indexed):
    """Layers that run one after the other.

    It is edited like a list: ``s[1] = layer``, ``del s[0]``, `insert`, `pop`, `append`, `extend`, ``s + t``,
    ``s * 2``. Where that moves layers, all are named by their numbers anew.

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
                self.add_module(name, self._checked(module))
        else:
            self.extend(layers)

    def forward(self, x: Any) -> Any:
        """Pass `x` through all layers."""
        for layer in vars(self).values():
            if isinstance(layer, Module):
                x = layer(x)
        return x

    def _part(self, items: list[tuple[str, Any]]) -> Any:
        part = super()._part([])
        for name, module in items:
            setattr(part, name, module)
        return part

    def __add__(self, other: Any) -> Sequential:
        return Sequential(*self, *self._layers_of(other))

    def __iadd__(self, other: Any) -> Self:
        return self.extend(self._layers_of(other))

    def _layers_of(self, other: Any) -> list[Module]:
        if not isinstance(other, Sequential):
            raise ValueError(f"a Sequential can be added to a Sequential only; got {type(other).__name__}: "
                             "use extend()")
        return list(other)

    def __mul__(self, times: Any) -> Sequential:
        return Sequential(*list(self) * self._times(times))

    __rmul__ = __mul__

    def __imul__(self, times: Any) -> Self:
        return self.extend(list(self) * (self._times(times) - 1))

    def _times(self, times: Any) -> int:
        if not isinstance(times, int):
            raise TypeError(f"a Sequential is repeated a whole number of times; got {times!r:.60}")
        if times < 1:
            raise ValueError(f"a Sequential is repeated at least once; got {times}")
        return times


class ModuleList(_Indexed):
    """A list of modules whose parameters count as the owner's.

    Parameters
    ----------
    modules : iterable of Module, optional
        The first modules of the list.
    """

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        self.extend(() if modules is None else modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(self).extend(other)

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(other)

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
        name = type(self).__name__
        return ("\n".join([f"{name}(", *(line.replace("\n", "\n  ") for line in lines), ")"])
                if lines else f"{name}()")


class ParameterList(_Indexed):
    """A list of parameters that count as the owner's; a Tensor that is put in becomes a `Parameter`.

    Parameters
    ----------
    values : iterable of Tensor, optional
        The first parameters of the list.

    >>> import cnnkit
    >>> from cnnkit import nn
    >>> scales = nn.ParameterList([cnnkit.tensor([1.0]), cnnkit.tensor([2.0, 3.0])])
    >>> [name for name, _ in scales.named_parameters()]
    ['0', '1']
    """

    def __init__(self, values: Iterable[Tensor] | None = None):
        super().__init__()
        self.extend(() if values is None else values)

    def _items(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Parameter)]

    def _checked(self, value: Any) -> Parameter:
        if not isinstance(value, Tensor):
            raise TypeError(f"ParameterList holds Tensors; got {type(value).__name__}: {value!r:.60}")
        return value if isinstance(value, Parameter) else Parameter(value)

    def __add__(self, other: Iterable[Tensor]) -> ParameterList:
        return ParameterList(self).extend(other)

    def __iadd__(self, other: Iterable[Tensor]) -> Self:
        return self.extend(other)

    def extra_repr(self) -> str:
        return "\n".join(f"({name}): Parameter of shape {value.shape}" for name, value in self._items())
