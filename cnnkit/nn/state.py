"""The state of a module: its parameters and persistent buffers by dotted name, saved and loaded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from cnnkit import backends
from cnnkit.autograd import Tensor, no_grad
from cnnkit.foreign import is_array, metadata_of
from cnnkit.nn.parameter import Parameter
from cnnkit.nn.uninitialized import Uninitialized

__all__ = ["LoadResult"]


class LoadResult(NamedTuple):
    """What `Module.load_state_dict` could not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"LoadResult(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def detached(tensor: Tensor) -> Tensor:
    """The Tensor in the same memory without tape; one without values yet as it is."""
    if isinstance(tensor, Uninitialized):
        return tensor  # type: ignore[return-value]
    return tensor.detach()


def snapshot(module: Any) -> dict[str, Tensor]:
    """A module's state as it is now: copies, which later training leaves alone.

    >>> import cnnkit
    >>> net = cnnkit.nn.Linear(1, 1)
    >>> before = snapshot(net)
    >>> net.weight.data.fill_(3)
    tensor([[3.]])
    >>> before["weight"].item() == 3
    False
    """
    state = module.state_dict()
    for name, value in state.items():
        if not isinstance(value, Uninitialized):
            state[name] = Tensor(backends.backend_of(value.array).asarray(value.array))
    return state


def load(module: Any, state_dict: Mapping[str, Any], strict: bool, assign: bool = False) -> LoadResult:
    """`Module.load_state_dict`: check everything, then copy, or put the values in place."""
    owner = f"{type(module).__name__}.load_state_dict"
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"{owner} needs a mapping from names to Tensors, as state_dict() gives it; "
                        f"got {type(state_dict).__name__}")
    state_dict = _prepared(module, state_dict, strict)
    current = dict(module._state())
    optional = _left_out_by_older_versions(module, state_dict)
    missing = [n for n in current if n not in state_dict and n not in optional]
    unexpected = [n for n in state_dict if n not in current]
    result = LoadResult(missing, unexpected)
    for _, _, part, hook in _hooks(module, "after loading"):
        hook(part, result)
    if strict and (missing or unexpected):
        raise RuntimeError(f"{owner}: " + "; ".join(
            f"{problem} {len(names)}: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
            for problem, names in (("missing", missing), ("unexpected", unexpected)) if names)
            + ". Pass strict=False to load the names that match")
    # what has no values yet takes the shape of what is loaded, and stays as it is where that has none either
    values = {n: v for n, v in state_dict.items() if n in current and not (
        isinstance(v, Uninitialized) and isinstance(current[n], Uninitialized))}
    strange = [f"{n} is {type(v).__name__}" for n, v in values.items() if not is_array(v)]
    if strange:
        raise RuntimeError(f"{owner} takes Tensors and arrays; {_listed(strange)}")
    shapes = {n: tuple(v.shape) for n, v in values.items()}
    mismatches = [f"{n} is {current[n].shape}, the value {shape}" for n, shape in shapes.items()
                  if not isinstance(current[n], Uninitialized)
                  and current[n].shape != shape and (current[n].shape, shape) != ((), (1,))]
    if mismatches:
        raise RuntimeError(f"{owner}: shapes differ: {_listed(mismatches)}")
    if assign:
        _assign(module, values)
        return result
    with no_grad():
        for name, value in values.items():
            if isinstance(current[name], Uninitialized):
                current[name].materialize(shapes[name])
            tensor = value if isinstance(value, Tensor) else Tensor(value)
            # old files of PyTorch have one axis where there is none now
            current[name].copy_(tensor if current[name].shape else tensor.reshape(()))
    return result


def _hooks(module: Any, when: str) -> list[tuple[str, dict, Any, Any]]:
    """The hooks around loading of every module below: its path, its metadata, itself, the hook."""
    return [(path, {"version": part._state_version}, part, hook.call)
            for path, part in module.named_modules(remove_duplicate=False)
            for hook in part._state_hooks if hook.when == when]


def _prepared(module: Any, state_dict: Mapping[str, Any], strict: bool) -> Mapping[str, Any]:
    """The dict, or what hooks before loading make of a copy of it."""
    hooks = _hooks(module, "before loading")
    if not hooks:
        return state_dict
    versions = metadata_of(state_dict)
    problems: list[str] = []
    copy: Any = OrderedDict(state_dict)
    copy._metadata = versions
    for path, _, part, hook in hooks:
        hook(part, copy, f"{path}." if path else "", versions.get(path, {}), strict, [], [], problems)
    if problems:
        raise RuntimeError(f"{type(module).__name__}.load_state_dict: {_listed(problems)}")
    return copy


def _assign(module: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        path, _, last = name.rpartition(".")
        owner = module.get_submodule(path)
        old = getattr(owner, last)
        if isinstance(old, Parameter):
            value = value if isinstance(value, Parameter) else Parameter(value, old.requires_grad)
        elif not isinstance(value, Tensor):
            value = Tensor(value)
        setattr(owner, last, value)


def _listed(problems: list[str]) -> str:
    return f"{'; '.join(problems[:8])}{'; ...' if len(problems) > 8 else ''}"


def _left_out_by_older_versions(module: Any, state_dict: Mapping[str, Any]) -> set[str]:
    """Names that may be missing, because a module's state had none when its version was what is saved."""
    versions = metadata_of(state_dict)
    return {f"{path}.{name}" if path else name
            for path, part in module.named_modules(remove_duplicate=False)
            for name, first in part._state_since.items()
            if versions.get(path, {}).get("version", 0) < first}
