"""What a module's attributes are: parameters, child modules, buffers, or nothing but attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnkit import suggestions
from cnnkit.autograd import Tensor
from cnnkit.nn.parameter import Buffer, Parameter
from cnnkit.nn.registries import Registry

__all__: list[str] = []

# how often an attribute of a module was set or deleted, for whoever has looked at modules
changes: list[int] = [0]


class Attributes:
    """The part of `Module` that tells parameters, children and buffers from other attributes.

    A value that is a `Parameter` or a module says itself what it is. What it cannot say is remembered: the
    names of buffers, and of parameters and children that are ``None`` now.
    """

    _persistent: Mapping[str, bool] = {}  # name -> whether the state_dict includes it
    _vacant: Mapping[str, str] = {}  # name -> what belongs there, where that is None now

    def __setattr__(self, name: str, value: Any) -> None:
        changes[0] += 1
        role = role_of(self, name)
        if isinstance(value, Parameter | Attributes):
            _check_initialised(self, "module" if isinstance(value, Attributes) else "parameter")
            if role == "parameter" and isinstance(value, Attributes):
                raise _misfit(self, name, role, value)
            _forget(self, name)
        elif isinstance(value, Buffer):
            self.register_buffer(name, value, value.persistent)
            return
        elif role is not None:
            if role == "buffer":
                if not (value is None or isinstance(value, Tensor)):
                    raise _misfit(self, name, role, value)
            elif value is not None:
                raise _misfit(self, name, role, value)
            else:
                vars(self)["_vacant"] = {**self._vacant, name: role}
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        changes[0] += 1
        super().__delattr__(name)
        _forget(self, name)

    def __getattr__(self, name: str) -> Any:
        if name in vars(self):  # called by its name, as code for PyTorch does
            return vars(self)[name]
        return suggestions.missing(self, name, suggestions.MODULE, vars(self))

    @property
    def _parameters(self) -> Registry:
        return Registry(self, "parameter")

    @property
    def _buffers(self) -> Registry:
        return Registry(self, "buffer")

    @property
    def _modules(self) -> Registry:
        return Registry(self, "child module")

    @property
    def _non_persistent_buffers_set(self) -> set[str]:
        return {name for name, persistent in self._persistent.items() if not persistent}

    def _role_of(self, name: str) -> str | None:
        return role_of(self, name)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Register a Tensor that is state but is not trained (batch norm's running mean)."""
        _check_name(self, "buffer", name, "buffer")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"{type(self).__name__}.register_buffer({name!r}) needs a Tensor or None; "
                            f"got {type(tensor).__name__}")
        changes[0] += 1
        vars(self)["_persistent"] = {**self._persistent, name: persistent}
        super().__setattr__(name, tensor)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Set a parameter as an attribute; ``None`` says that there is none."""
        _check_name(self, "parameter", name, "parameter")
        if param is None:
            vars(self)["_vacant"] = {**self._vacant, name: "parameter"}
        elif not isinstance(param, Parameter):
            raise TypeError(f"{type(self).__name__}.register_parameter({name!r}) needs an nn.Parameter or "
                            f"None; got {type(param).__name__}")
        setattr(self, name, param)

    def add_module(self, name: str, module: Any) -> None:
        """Set a child module as an attribute; ``None`` says that there is none."""
        if module is not None and not isinstance(module, Attributes):
            raise TypeError(f"{type(self).__name__}.add_module({name!r}) needs a Module or None; "
                            f"got {type(module).__name__}: {module!r:.60}{hint_of(module)}")
        _check_name(self, "module", name, "child module")
        if module is None:
            vars(self)["_vacant"] = {**self._vacant, name: "child module"}
        setattr(self, name, module)

    def register_module(self, name: str, module: Any) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)


def role_of(module: Attributes, name: str) -> str | None:
    """What an attribute is to the module: "parameter", "child module", "buffer", or nothing of these."""
    held = vars(module).get(name)
    if isinstance(held, Parameter):
        return "parameter"
    if isinstance(held, Attributes):
        return "child module"
    return "buffer" if name in module._persistent else module._vacant.get(name)


def _misfit(module: Attributes, name: str, role: str, value: Any) -> TypeError:
    kind = {"parameter": "nn.Parameter", "child module": "nn.Module", "buffer": "Tensor"}[role]
    why = (", and would be neither trained nor saved; to change its values use copy_() under no_grad()"
           if role == "parameter" and isinstance(value, Tensor) else "")
    return TypeError(f"{type(module).__name__}.{name} is a {role}: it takes a {kind} or None. "
                     f"Got {type(value).__name__}{why}")


def _forget(module: Attributes, name: str) -> None:
    for registry in ("_persistent", "_vacant"):
        names = vars(module).get(registry, {})
        if name in names:
            vars(module)[registry] = {n: v for n, v in names.items() if n != name}


def _check_initialised(module: Attributes, kind: str) -> None:
    if "training" not in vars(module):
        name = type(module).__name__
        raise AttributeError(f"cannot assign {kind} before Module.__init__() call: "
                             f"let {name}.__init__ begin with super().__init__()", name=kind)


def _check_name(module: Attributes, kind: str, name: Any, role: str) -> None:
    """Raise unless `name` can be registered: a plain name that is free, or already of this role."""
    _check_initialised(module, kind)
    if not isinstance(name, str):
        raise TypeError(f"{kind} name should be a string; got {type(name).__name__}: {name!r:.60}")
    if "." in name:
        raise KeyError(f"{kind} name can't contain '.', which stands between names; got {name!r}")
    if not name:
        raise KeyError(f"{kind} name can't be empty")
    if role_of(module, name) != role and (name in vars(module) or suggestions.is_defined(type(module), name)):
        raise KeyError(f"{type(module).__name__} already has an attribute {name!r}; give the {kind} another "
                       "name")


def hint_of(module: Any) -> str:
    """What an error adds where a layer's class was given in place of a layer."""
    return " (did you mean an instance, with brackets?)" if isinstance(module, type) else ""


def children_of(module: Attributes) -> list[tuple[str, Any]]:
    """Direct children with their names; one that has several names, under each."""
    return [(name, value) for name, value in vars(module).items() if isinstance(value, Attributes)]
