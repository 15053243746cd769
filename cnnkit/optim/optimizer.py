"""The optimizers' base: parameter groups, state, and the step that runs an update of `ops.update`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from operator import is_
from typing import Any

from cnnkit.autograd import Tensor, deferral, enable_grad
from cnnkit.autograd.tape import mode
from cnnkit.autograd.updating import arrays_of, gradients_of, rebind_all
from cnnkit.foreign import device_of, plain
from cnnkit.ops.update import NUMBERS, WRITES, Update
from cnnkit.optim.parameter_groups import need_new_leaves, new_group, required, warn_of_misspelled
from cnnkit.optim.parameters import fit, with_gradient
from cnnkit.optim.settings import as_setting, number_of
from cnnkit.optim.tensor_state import (
    TensorState,
    changes,
    columns,
    converted,
    converted_tree,
    copied,
    copied_tree,
    new_state,
)

__all__ = ["Optimizer", "required"]

# types of settings that an update takes as they are
SETTINGS: set[type[Any]] = {bool, int, float, tuple, str, type(None)}
# settings of PyTorch's groups that say how it computes, and nothing of what
_OF_PYTORCH = frozenset({"capturable", "differentiable", "foreach", "fused"})


class Optimizer:
    """Base of all optimizers.

    A subclass defines `step`, as in PyTorch, where it reads `param_groups` and each parameter's ``grad``,
    keeps what it likes in ``self.state[p]``, and changes parameters in place. Or it names its `update`, its
    `hyper`-parameters and their defaults.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        Leaf Tensors; or pairs of a name and a Tensor, as ``model.named_parameters()`` gives them; or
        parameter groups, each a dict with ``"params"`` and its own settings.
    defaults : dict
        The settings of groups that do not give them.

    Other Parameters
    ----------------
    lr : float
        Of most optimizers: the learning rate.
    weight_decay : float
        This factor times the parameter is added to its gradient, unless the optimizer says another way.
    maximize : bool
        Go up the gradient.
    foreach, fused, capturable, differentiable
        How PyTorch computes the step; see `settings.need_known_way`.

    Attributes
    ----------
    param_groups : list of dict
        ``"params"`` and the settings. Settings may be changed between steps; parameters by `add_param_group`.

    Raises
    ------
    ValueError, TypeError
        If there are no parameters; one is no Tensor, no leaf, or comes twice; or a setting is out of range.

    >>> import cnnkit
    >>> class SignDescent(Optimizer):
    ...     def __init__(self, params, lr=0.1):
    ...         super().__init__(params, {"lr": lr})
    ...     def step(self, closure=None):
    ...         for group in self.param_groups:
    ...             for p in group["params"]:
    ...                 self.state[p]["step"] = self.state[p].get("step", 0) + 1
    ...                 p.data.add_(p.grad.sign(), alpha=-group["lr"])
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SignDescent([p], lr=0.5)
    >>> p.sum().backward()
    >>> optimizer.step()
    >>> p.tolist(), optimizer.state[p]
    ([0.5, 1.5], {'step': 1})
    """

    update: Update
    hyper: tuple[str, ...] = ()
    together: tuple[str, ...] = ()  # names of the state: a parameter that was updated has all of them
    numbers: tuple[str, ...] = ()  # those of them, beside ``step``, that are Python floats

    def __init__(self, params: Iterable[Any], defaults: Mapping[str, Any]):
        if isinstance(params, Tensor | Mapping) or not isinstance(params, Iterable):
            raise TypeError("params should be an iterable of Tensors or dicts; " + (
                "got one Tensor: put it in a list" if isinstance(params, Tensor) else
                "got one dict: put it in a list" if isinstance(params, Mapping) else
                f"got {type(params).__name__}: of a model, give model.parameters()"))
        self.defaults: dict[str, Any] = {name: as_setting(value) for name, value in defaults.items()}
        self._check(self.defaults)
        self.param_groups: list[dict[str, Any]] = []
        self._states: list[dict[str, list]] = []  # for each group, name -> one value per parameter
        self._kinds: list[type] = []  # the array type of each group's state
        self._workspaces: list[dict] = []
        # each group's settings at the last step if they were plain, which a Tensor's number is not
        self._known: list[tuple[list, dict] | None] = []
        # the state as Tensors, once somebody has asked for it: then `_states` is out of date
        self._tensors: TensorState | None = new_state() if self._has_own_step() else None
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list. A generator, like model.parameters(), "
                             "gives its values once: make a list of it to use it again")
        for group in groups if isinstance(groups[0], Mapping) else [{"params": groups}]:
            self.add_param_group(group)

    def check(self, settings: Mapping[str, Any]) -> None:
        """Raise ValueError for a setting that is out of range."""

    def _check(self, settings: Mapping[str, Any]) -> None:
        self.check({name: number_of(value) for name, value in settings.items() if name in self.defaults})

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add a group of parameters with its own settings: ``{"params": [...], "lr": ...}``.

        Parameters may be pairs of a name and a Tensor, as ``named_parameters()`` gives them; the names are
        kept under ``"param_names"``. So is whatever else is in the group, ``"name"`` or ``"lr_scale"``, for
        whoever asks `param_groups` for it.
        """
        group = new_group(param_group, self.defaults, self.param_groups)
        warn_of_misspelled(type(self).__name__, group, self.defaults)
        self._check(group)
        need_new_leaves(group["params"], self.param_groups)
        self.param_groups.append(group)
        self._states.append({})
        self._kinds.append(object)
        self._workspaces.append({})
        self._known.append(None)

    def __getstate__(self) -> dict[str, Any]:
        """The attributes to copy, without the kernels' workspaces, which hold addresses of its arrays."""
        return {**self.__dict__, "_workspaces": [{} for _ in self._workspaces]}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Take a copy's attributes, or PyTorch's ``{"state": ..., "param_groups": ...}``."""
        self.__dict__.update({name: value for name, value in state.items() if name != "state"})
        if "state" in state:
            self.state = state["state"]

    @classmethod
    def _has_own_step(cls) -> bool:
        return cls.step is not Optimizer.step

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
        if not self.hyper:
            raise NotImplementedError(f"{type(self).__name__} must define step()")
        if mode.recorder is not None:
            return mode.recorder.step(self, closure)
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if mode.deferred:
            deferral.flush()
        updates: list[tuple[list, list]] = []
        changed: list[tuple[Any, Any, Any]] = []  # what to set: mapping or list, key, value
        writes: list[Callable[[], Any]] = []  # what kernels write in place
        for n, group in enumerate(self.param_groups):
            params = group["params"]
            arrays, grads = arrays_of(params), gradients_of(params)
            having = fit(arrays, grads)
            if not having:
                continue
            if self._kinds[n] is not type(arrays[0]):
                self._adopt(n, params)
            settings = self._settings(n, group)
            self._workspaces[n][WRITES] = writes
            if self._tensors is None:
                new, after = self.update(arrays, grads, self._states[n], workspace=self._workspaces[n],
                                         **settings)
                changed.append((self._states, n, after))
            else:
                before = columns(self._tensors, params, self._taken)
                new, after = self.update(arrays, grads, before, workspace=self._workspaces[n], **settings)
                changed += changes(self._tensors, params, grads, after)
            updates.append((params, new) if having == "all" else with_gradient(params, grads, new))
        rebind_all(updates, changed, writes)
        writes.clear()  # they hold the gradients
        return loss

    def _settings(self, n: int, group: Mapping[str, Any]) -> dict[str, Any]:
        """A group's hyper-parameters as Python's numbers; a library's could widen the result."""
        values = list(map(group.__getitem__, self.hyper))
        known = self._known[n]
        if known is not None and all(map(is_, known[0], values)):
            return known[1]
        settings = dict(zip(self.hyper, values))
        if SETTINGS.issuperset(map(type, values)):
            self._known[n] = values, settings
            return settings
        self._known[n] = None
        return {name: plain(number_of(value)) for name, value in settings.items()}

    # -- the state -------------------------------------------------------------------------------------------

    @property
    def state(self) -> TensorState:
        """Parameter -> name -> Tensor or number. What is changed there counts at the next step.

        A step puts new Tensors there. Steps are a little slower once this was read.
        """
        if self._tensors is None:
            self._tensors = self._as_tensors()
            self._states = [{} for _ in self._states]
        return self._tensors

    @state.setter
    def state(self, state: Mapping[Any, dict[str, Any]]) -> None:
        self._tensors = state if isinstance(state, defaultdict) else defaultdict(dict, state)

    def _as_tensors(self) -> TensorState:
        found = new_state()
        for n, group in enumerate(self.param_groups):
            for i, p in enumerate(group["params"]):
                if values := self._state_of(n, i):
                    found[p] = values
        return found

    def _state_of(self, n: int, i: int) -> dict[str, Any]:
        """A copy of one parameter's state."""
        if self._tensors is not None:
            return copied_tree(self._tensors.get(self.param_groups[n]["params"][i], {}))
        values = {name: column[i] for name, column in self._states[n].items() if column[i] is not None}
        return {name: v if type(v) in NUMBERS else copied(v) for name, v in values.items()}

    def _taken(self, value: Any, p: Tensor, name: str, number: int) -> Any:
        """A value of the state as an update takes it, whoever has put it there."""
        if name == "step":
            return int(number_of(value))
        if name in self.numbers:
            return float(number_of(value))
        array = value.array if isinstance(value, Tensor) else None
        fits = array is not None and type(array) is type(p.array) and array.shape == p.array.shape and (
            device_of(array) == device_of(p.array))
        return array if fits else converted(value, p, name, number)

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
        others = {} if self._tensors is None else self._tensors
        state.update({key: copied_tree(value) for key, value in others.items()
                      if not isinstance(key, Tensor)})
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
        states: list[dict[str, list]] = []
        by_tensor = new_state()
        for group, current in zip(saved, self.param_groups):
            if len(group["params"]) != len(current["params"]):
                raise ValueError("loaded state dict contains a parameter group that doesn't "
                                 f"match the size of optimizer's group: {len(group['params'])} parameters; "
                                 f"the optimizer's has {len(current['params'])}")
            self._check({**current, **group})
            if self._has_own_step():
                by_tensor.update({p: {name: converted_tree(value, p, name)
                                      for name, value in state_dict["state"][number].items()}
                                  for number, p in zip(group["params"], current["params"])
                                  if number in state_dict["state"]})
                states.append({})
                continue
            state: dict[str, list] = {}
            for i, (number, p) in enumerate(zip(group["params"], current["params"])):
                entries = state_dict["state"].get(number, {})
                lacking = [name for name in self.together if entries and entries.get(name) is None]
                if lacking or ("step" in entries and not int(number_of(entries["step"]) or 0) >= 0):
                    raise ValueError(f"state of parameter {number} has "
                                     f"{f'no {lacking[0]!r}' if lacking else 'a step below 0'}")
                for name, value in entries.items():
                    column = state.setdefault(name, [None] * len(current["params"]))
                    column[i] = (value if value is None else int(number_of(value)) if name == "step"
                                 else float(number_of(value)) if name in self.numbers
                                 else converted(value, p, name, number))
            states.append(state)
        for n, (group, current) in enumerate(zip(saved, self.param_groups)):
            current.update({k: v for k, v in group.items() if k != "params" and k not in _OF_PYTORCH})
            self._kinds[n] = type(current["params"][0].array) if current["params"] else object
        self._states, self._workspaces = states, [{} for _ in states]
        if self._has_own_step():
            numbers = {number for group in saved for number in group["params"]}
            by_tensor.update({key: copied_tree(value) for key, value in state_dict["state"].items()
                              if key not in numbers})
            self.__setstate__({"state": by_tensor, "param_groups": self.param_groups})
        elif self._tensors is not None:
            kept, self._tensors = self._tensors, None
            loaded = self._as_tensors()
            kept.clear()
            kept.update(loaded)
            self._tensors = kept

    def _adopt(self, n: int, params: list[Tensor]) -> None:
        """Move a group's state to its parameters' present backend and device, and drop its workspace."""
        self._states[n] = {name: [v if v is None or type(v) in NUMBERS else converted(v, p, name, i)
                                  for i, (v, p) in enumerate(zip(column, params))]
                           for name, column in self._states[n].items()}
        self._kinds[n], self._workspaces[n] = type(params[0].array), {}

    def __repr__(self) -> str:
        lines = []
        for n, group in enumerate(self.param_groups):
            lines += [f"Parameter Group {n}",
                      *(f"    {name}: {group[name]}" for name in sorted(group) if name != "params")]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"
