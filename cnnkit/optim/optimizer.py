"""The optimizers' base: parameter groups, state, and the step that runs an update of `ops.update`."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cnnkit import backends
from cnnkit.autograd import Tensor, deferral, enable_grad
from cnnkit.autograd.tape import mode
from cnnkit.autograd.updating import arrays_of, gradients_of, rebind_all
from cnnkit.foreign import device_of, is_array, plain
from cnnkit.ops.update import Update, state_dtype

__all__ = ["Optimizer"]

NUMBERS = {bool, int, float, tuple}  # the types of settings that an update takes as they are
# settings of PyTorch's groups that say how it computes, and nothing of what
_OF_PYTORCH = frozenset({"capturable", "decoupled_weight_decay", "differentiable", "foreach", "fused"})


class Optimizer:
    """Base of all optimizers; a subclass names its `update`, its `hyper`-parameters and their defaults.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        Leaf Tensors; or pairs of a name and a Tensor, as ``model.named_parameters()`` gives them; or
        parameter groups, each a dict with ``"params"`` and its own settings.
    defaults : dict
        The settings of groups that do not give them.

    Attributes
    ----------
    param_groups : list of dict
        ``"params"`` and the settings. Settings may be changed between steps; parameters by `add_param_group`.

    Raises
    ------
    ValueError, TypeError
        If there are no parameters; one is no Tensor, no leaf, or comes twice; or a setting is out of range.
    """

    update: Update
    hyper: tuple[str, ...] = ()
    together: tuple[str, ...] = ()  # names of the state: a parameter that was updated has all of them

    def __init__(self, params: Iterable[Any], defaults: Mapping[str, Any]):
        if isinstance(params, Tensor | Mapping) or not isinstance(params, Iterable):
            raise TypeError("params should be an iterable of Tensors or dicts; " + (
                "got one Tensor: put it in a list" if isinstance(params, Tensor) else
                "got one dict: put it in a list" if isinstance(params, Mapping) else
                f"got {type(params).__name__}: of a model, give model.parameters()"))
        self.defaults = {name: _plain(value) for name, value in defaults.items()}
        self._check(self.defaults)
        self.param_groups: list[dict[str, Any]] = []
        self._states: list[dict[str, list]] = []  # for each group, name -> one value per parameter
        self._kinds: list[type] = []  # the array type of each group's state
        self._workspaces: list[dict] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list. A generator, like model.parameters(), "
                             "gives its values once: make a list of it to use it again")
        for group in groups if isinstance(groups[0], Mapping) else [{"params": groups}]:
            self.add_param_group(group)

    def check(self, settings: Mapping[str, Any]) -> None:
        """Raise ValueError for a setting that is out of range."""

    def _check(self, settings: Mapping[str, Any]) -> None:
        self.check({name: _number(value) for name, value in settings.items() if name in self.defaults})

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add a group of parameters with its own settings: ``{"params": [...], "lr": ...}``.

        Parameters may be pairs of a name and a Tensor, as ``named_parameters()`` gives them; the names are
        kept under ``"param_names"``. So is whatever else is in the group, ``"name"`` or ``"lr_scale"``, for
        whoever asks `param_groups` for it.
        """
        if not isinstance(param_group, Mapping):
            raise TypeError(f"a parameter group must be a dict; got {type(param_group).__name__}")
        if "params" not in param_group:
            raise KeyError('a parameter group needs its parameters under "params"; '
                           f"it has {', '.join(map(repr, param_group))}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError("the parameters of a group need an order, and a set has none: give a list")
        names, params = _named([params] if isinstance(params, Tensor) else list(params))
        if self.param_groups and (names is None) != ("param_names" not in self.param_groups[0]):
            raise ValueError("all groups of an optimizer need names of their parameters, or none: give "
                             "named_parameters() to each, or parameters()")
        group = {"params": params, **({} if names is None else {"param_names": names}), **self.defaults,
                 **{name: _plain(value) for name, value in param_group.items() if name != "params"}}
        self._warn_of_misspelled(group)
        self._check(group)
        seen = {id(p) for g in self.param_groups for p in g["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError("optimizer can only optimize Tensors, "
                                f"but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor: this one is the result of a recorded op")
            if id(p) in seen:
                raise ValueError("some parameters appear more than once, in one parameter group or in two")
            seen.add(id(p))
        self.param_groups.append(group)
        self._states.append({})
        self._kinds.append(object)
        self._workspaces.append({})

    def _warn_of_misspelled(self, group: Mapping[str, Any]) -> None:
        for name in group:
            close = difflib.get_close_matches(name, self.defaults, n=1, cutoff=0.85)
            if close and name not in self.defaults:
                warnings.warn(f"{type(self).__name__} does not read {name!r} of a parameter group; "
                              f"did you mean {close[0]!r}?", stacklevel=4)

    def __getstate__(self) -> dict[str, Any]:
        """The attributes to copy, without the kernels' workspaces, which hold addresses of its arrays."""
        return {**self.__dict__, "_workspaces": [{} for _ in self._workspaces]}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p.grad is not None:
                    p.grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient: all of them, or none if an exception ends it.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and its gradients anew; it is called first, with the tape recording, and its
            result returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if mode.deferred:
            deferral.flush()
        updates, states = [], {}
        for n, group in enumerate(self.param_groups):
            params = group["params"]
            arrays, grads = arrays_of(params), gradients_of(params)
            if not _fit(arrays, grads):
                continue
            if self._kinds[n] is not type(arrays[0]):
                self._adopt(n, params)
            settings = {name: group[name] for name in self.hyper}
            if not NUMBERS.issuperset(map(type, settings.values())):  # a library's could widen the result
                settings = {name: plain(_number(value)) for name, value in settings.items()}
            new, states[n] = self.update(arrays, grads, self._states[n], workspace=self._workspaces[n],
                                         **settings)
            updates.append((params, grads, new))
        rebind_all(updates, self._states, states)
        return loss

    # -- the state -------------------------------------------------------------------------------------------

    @property
    def state(self) -> dict[Tensor, dict[str, Any]]:
        """For each parameter that was updated, a copy of its state by name, as in `state_dict`."""
        return {p: self._state_of(n, i) for n, group in enumerate(self.param_groups)
                for i, p in enumerate(group["params"]) if self._state_of(n, i)}

    def _state_of(self, n: int, i: int) -> dict[str, Any]:
        values = {name: column[i] for name, column in self._states[n].items() if column[i] is not None}
        return {name: v if isinstance(v, int) else _copy(v) for name, v in values.items()}

    def state_dict(self) -> dict[str, Any]:
        """Copies of the state, by parameter number, and the settings, in PyTorch's structure.

        Returns
        -------
        dict
            ``"state"``: parameter number -> name -> Tensor or int. ``"param_groups"``: the settings, with
            parameter numbers under ``"params"``; parameters are numbered through all groups.
        """
        state, groups, first = {}, [], 0
        for n, group in enumerate(self.param_groups):
            count = len(group["params"])
            groups.append({**{k: v for k, v in group.items() if k != "params"},
                           "params": list(range(first, first + count))})
            state.update({first + i: values for i in range(count) if (values := self._state_of(n, i))})
            first += count
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load a state, from here or PyTorch: copied, moved and converted to each parameter's dtype.

        The state of float16 and bfloat16 parameters is float32, as the optimizer keeps it.
        Keys of a group that the state lacks stay as they are.

        Raises
        ------
        ValueError
            If groups, parameter counts, or an array's shape do not fit. Nothing has been changed then.
        """
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError(f"loaded state dict has a different number of parameter groups: {len(saved)}; "
                             f"the optimizer has {len(self.param_groups)}")
        states = []
        for group, current in zip(saved, self.param_groups):
            if len(group["params"]) != len(current["params"]):
                raise ValueError("loaded state dict contains a parameter group that doesn't "
                                 f"match the size of optimizer's group: {len(group['params'])} parameters; "
                                 f"the optimizer's has {len(current['params'])}")
            self._check({**current, **group})
            state: dict[str, list] = {}
            for i, (number, p) in enumerate(zip(group["params"], current["params"])):
                entries = state_dict["state"].get(number, {})
                lacking = [name for name in self.together if entries and entries.get(name) is None]
                if lacking or ("step" in entries and not int(_number(entries["step"]) or 0) >= 0):
                    raise ValueError(f"state of parameter {number} has "
                                     f"{f'no {lacking[0]!r}' if lacking else 'a step below 0'}")
                for name, value in entries.items():
                    column = state.setdefault(name, [None] * len(current["params"]))
                    column[i] = (value if value is None else int(_number(value)) if name == "step"
                                 else _converted(value, p, name, number))
            states.append(state)
        for n, (group, current) in enumerate(zip(saved, self.param_groups)):
            current.update({k: v for k, v in group.items() if k != "params" and k not in _OF_PYTORCH})
            self._kinds[n] = type(current["params"][0].array) if current["params"] else object
        self._states, self._workspaces = states, [{} for _ in states]

    def _adopt(self, n: int, params: list[Tensor]) -> None:
        """Move a group's state to its parameters' present backend and device, and drop its workspace."""
        self._states[n] = {name: [v if v is None or isinstance(v, int) else _converted(v, p, name, i)
                                  for i, (v, p) in enumerate(zip(column, params))]
                           for name, column in self._states[n].items()}
        self._kinds[n], self._workspaces[n] = type(params[0].array), {}

    def __repr__(self) -> str:
        lines = []
        for n, group in enumerate(self.param_groups):
            lines += [f"Parameter Group {n}",
                      *(f"    {name}: {group[name]}" for name in sorted(group) if name != "params")]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"


def _named(params: list) -> tuple[list[str] | None, list]:
    """Names and parameters of pairs; ``None`` and the parameters where they have no names."""
    pairs = [isinstance(p, tuple) for p in params]
    if not any(pairs):
        return None, params
    if not all(pairs):
        raise ValueError("all parameters need a name, or none: give named_parameters(), or parameters()")
    return [name for name, _ in params], [p for _, p in params]


def _plain(value: Any) -> Any:
    """A setting as Python's number; a Tensor stays, so that who holds it can change it."""
    return value if isinstance(value, Tensor) else plain(value)


def _number(value: Any) -> Any:
    """A setting's value: of a Tensor with one element, the number in it."""
    if not isinstance(value, Tensor):
        return value
    if value.numel() != 1:
        raise ValueError(f"a Tensor as a setting must have one element; got shape {value.shape}")
    return value.item()


def need(condition: bool, name: str, value: Any) -> None:
    """Raise PyTorch's error about a setting that is out of range."""
    if not condition:
        raise ValueError(f"Invalid {name}: {value}")


def _fit(arrays: list, grads: list) -> bool:
    """Whether there is any gradient; raise if one differs from its parameter in shape or dtype."""
    any_gradient = False
    for i, (array, grad) in enumerate(zip(arrays, grads)):
        if grad is not None:
            if grad.shape != array.shape or grad.dtype != array.dtype:
                expected, actual = (f"{tuple(a.shape)} {backends.dtype_name(a.dtype)}" for a in (array, grad))
                raise ValueError(f"parameter {i} is {expected}, but its grad {actual}; "
                                 "they need one shape and dtype")
            any_gradient = True
    return any_gradient


def _copy(array: Any) -> Tensor:
    return Tensor(backends.backend_of(array).asarray(array))


def _converted(value: Any, parameter: Tensor, name: str, number: int) -> Any:
    """A state array as a new array of the parameter's backend and device, in the dtype that its state has."""
    if not is_array(value):
        raise ValueError(f"state {name!r} of parameter {number} must be an array; "
                         f"got {type(value).__name__}: {value!r:.60}")
    tensor, array = value if isinstance(value, Tensor) else Tensor(value), parameter.array
    if tensor.shape != parameter.shape:
        raise ValueError(f"state {name!r} of parameter {number} has shape {tensor.shape}; "
                         f"the parameter has {parameter.shape}")
    backend = backends.backend_of(array)
    values = tensor.array if backends.backend_of(tensor.array) is backend else tensor.numpy()
    return backend.asarray(values, state_dtype(array.dtype), device_of(array))
