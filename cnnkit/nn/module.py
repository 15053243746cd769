"""Module, the base of every layer and model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

from cnnkit import backends
from cnnkit.autograd import Tensor
from cnnkit.autograd.functions.conversion import place_and_dtype
from cnnkit.autograd.tape import mode
from cnnkit.foreign import metadata_of
from cnnkit.nn import state
from cnnkit.nn.attributes import children_of, role_of
from cnnkit.nn.hooks import Hooked
from cnnkit.nn.html import html_of
from cnnkit.nn.parameter import Parameter
from cnnkit.nn.state import LoadResult

__all__ = ["Module"]


class Module(Hooked):
    """Base of all layers and models: parameters and settings; ``forward`` defines the computation.

    Attributes that are a `Parameter` or a `Module` are its parameters and children; buffers (state that is
    not trained) are named with `register_buffer`. Names, order and meaning of everything are PyTorch's.

    Attributes
    ----------
    training : bool
        Whether dropout drops and batch norm uses its batch's statistics; `train` and `eval` set it.
    input_format : InputFormat or None
        What the module has learnt from, which `cnnkit.train.fit` sets: see `cnnkit.data.InputFormat`.

    >>> from cnnkit import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.fc(x)
    >>> [name for name, _ in Net().named_parameters()]
    ['fc.weight', 'fc.bias']
    """

    input_format: Any = None
    # the version of what the state_dict holds, and name -> the version from which on it holds it
    _state_version: int = 1
    _state_since: Mapping[str, int] = {}
    _kept_in_eval_mode: bool = False

    def __init__(self) -> None:
        self.training = True

    @property
    def training(self) -> bool:
        """Whether the module trains; not while it is evaluated in this thread (`nn.evaluating`).

        Nor where it is kept in evaluation mode: see `keep_in_eval_mode`.
        """
        return (vars(self).get("training", True) and id(self) not in mode.evaluated
                and not self._kept_in_eval_mode)

    @training.setter
    def training(self, training: bool) -> None:
        vars(self)["training"] = training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's computation; every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} must define forward()")

    # -- parameters, buffers and children --------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Direct children with their names, each once."""
        seen: set[int] = set()
        for name, child in children_of(self):
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """Direct children, each once."""
        return (m for _, m in self.named_children())

    def named_modules(self, memo: set[Module] | None = None, prefix: str = "",
                      remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted names; each once, or (`remove_duplicate`) by every name.

        Modules in `memo` are left out, and those that come are added to it.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in children_of(self):
            yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (m for _, m in self.named_modules())

    def _own(self, kind: str) -> Iterator[tuple[str, Tensor]]:
        for name, value in list(vars(self).items()):
            if (isinstance(value, Parameter) if kind == "parameters"
                    else name in self._persistent and value is not None):
                yield name, value

    def _named(self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool,
               ) -> Iterator[tuple[str, Tensor]]:
        seen: set[int] = set()
        for path, module in (self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse
                             else [(prefix, self)]):
            for name, value in module._own(kind):
                if id(value) not in seen:
                    if remove_duplicate:
                        seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(self, prefix: str = "", recurse: bool = True,
                         remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:
        """All parameters with dotted names; each once, or (`remove_duplicate`) by every name."""
        return self._named("parameters", prefix, recurse, remove_duplicate)  # type: ignore[return-value]

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True,
                      remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """All buffers with dotted names; each once, or (`remove_duplicate`) by every name."""
        return self._named("buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted name; the empty name is this module."""
        module = self
        for name in target.split(".") if target else ():
            child = vars(module).get(name)
            if not isinstance(child, Module):
                raise AttributeError(f"{type(module).__name__} has no submodule "
                                     f"{name!r} (looking for {target!r}); it has "
                                     f"{', '.join(n for n, _ in children_of(module)) or 'none'}", name=name)
            module = child
        return module

    def set_submodule(self, target: str, module: Module) -> None:
        """Put a module at a dotted name, whose last part may be new."""
        path, _, name = target.rpartition(".")
        self.get_submodule(path).add_module(name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted name."""
        return _at(self, "parameter", target)  # type: ignore[return-value]

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted name."""
        return _at(self, "buffer", target)

    # -- the state -------------------------------------------------------------------------------------------

    def _state(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Parameters and persistent buffers in PyTorch's order; shared ones under each of their names."""
        yield from self._own_state(prefix)
        for name, child in children_of(self):
            yield from child._state(f"{prefix}{name}.")

    def _own_state(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        for kind in ("parameters", "buffers"):
            for name, value in self._own(kind):
                if kind == "parameters" or self._persistent[name]:
                    yield prefix + name, value

    def state_dict(self, *, destination: dict[str, Any] | None = None, prefix: str = "",
                   keep_vars: bool = False) -> dict[str, Tensor]:
        """Every parameter and persistent buffer by dotted name, detached from the tape.

        They share memory with the module, as PyTorch's do: a change of one in place is seen in the other. To
        keep the values as they are now, take ``copy.deepcopy(model.state_dict())``.

        Parameters
        ----------
        destination : dict, optional
            Where the values are added.
        prefix : str
            Put before every name, with its dot: ``"body."``.
        keep_vars : bool
            The parameters and buffers themselves, on the tape.

        Returns
        -------
        OrderedDict
            Its attribute ``_metadata`` holds the version of each module's state, as PyTorch's does.
        """
        for hook in self._state_hooks:
            if hook.when == "before saving":
                hook.call(self, prefix, keep_vars)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()  # type: ignore[attr-defined]
        versions = metadata_of(destination)
        if isinstance(versions, OrderedDict):
            versions[prefix[:-1]] = {"version": self._state_version}
        for name, value in self._own_state(prefix):
            destination[name] = value if keep_vars else state.detached(value)
        for name, child in children_of(self):
            child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_hooks:
            if hook.when == "after saving":
                hook.call(self, destination, prefix, {"version": self._state_version})
        return destination

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True,
                        assign: bool = False) -> LoadResult:
        """Copy values into the parameters and buffers of the same names.

        Batch norm's ``num_batches_tracked`` may be missing, as it is in old files of PyTorch's and in those
        that hold the weights alone: it stays as it is.

        Parameters
        ----------
        state_dict : mapping of str to Tensor or array
            Any library's arrays (a PyTorch ``state_dict`` as it is).
        strict : bool
            Raise if a name is missing or unknown.
        assign : bool
            Put the values themselves in place of the old ones, with their dtypes and devices; optimizers that
            hold the old parameters know nothing of the new.

        Raises
        ------
        RuntimeError
            With ``strict``, if names do not match; or if a shape does not, or a value is no array. The
            message lists them, and nothing has been changed.
        """
        return state.load(self, state_dict, strict, assign)

    # -- changes to all modules ------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training mode for this module and all below it, by each child's own `train`."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean; "
                             f"got {type(mode).__name__}: {mode!r:.60}")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode: dropout passes everything, batch norm uses its running statistics."""
        return self.train(False)

    def keep_in_eval_mode(self, keep: bool = True) -> Self:
        """Let this module, not those below it, stay in evaluation mode, whatever `train` says; or no longer.

        Frozen batch norm keeps its statistics so: `cnnkit.transfer_learning.freeze` does it.

        >>> from cnnkit import nn
        >>> norm = nn.BatchNorm2d(1).keep_in_eval_mode()
        >>> norm.train().training, norm.keep_in_eval_mode(False).training
        (False, True)
        """
        vars(self)["_kept_in_eval_mode"] = keep
        return self

    @property
    def kept_in_eval_mode(self) -> bool:
        """Whether this module stays in evaluation mode: see `keep_in_eval_mode`."""
        return self._kept_in_eval_mode

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze (``False``) or train all parameters."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        _zero_grad(self.parameters(), set_to_none)

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call `function` with every module, children first."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def to(self, *args: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False,
           memory_format: Any = None, backend: Any = None) -> Self:
        """Move parameters, gradients and buffers to a device, or convert the floating-point ones, in place.

        ``to(device)``, ``to(dtype)``, ``to(device, dtype)`` and ``to(tensor)``; see `Tensor.to`. `backend` is
        another word for `device`.

        >>> from cnnkit import nn
        >>> nn.Linear(2, 1).to(dtype="float64").weight.dtype
        cnnkit.float64
        """
        device, dtype, _ = place_and_dtype(args, backend if device is None else device, dtype)
        if dtype is not None and "float" not in dtype:
            raise TypeError(f"{type(self).__name__}.to() converts to floating-point dtypes only; got {dtype}")
        for tensor in (*self.parameters(), *self.buffers()):
            for value in (tensor, tensor.grad):
                if value is not None:
                    new_dtype = dtype if value.is_floating_point() else None
                    value.rebind(value.detach().to(device=device, dtype=new_dtype).array)
        return self

    def cpu(self) -> Self:
        """Move to the host's memory, in place."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Self:
        """Move to a CUDA device, the current one or `device`, in place."""
        return self.to(backends.device("cuda" if device is None else device))

    def type(self, dst_type: Any) -> Self:
        """Convert the floating-point numbers to a dtype, in place."""
        return self.to(dtype=dst_type)

    def float(self) -> Self:
        """Convert to float32, in place."""
        return self.to(dtype="float32")

    def double(self) -> Self:
        """Convert to float64, in place."""
        return self.to(dtype="float64")

    def half(self) -> Self:
        """Convert to float16, in place."""
        return self.to(dtype="float16")

    def bfloat16(self) -> Self:
        """Convert to bfloat16, in place."""
        return self.to(dtype="bfloat16")

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Move to a device; PyTorch's leaves the values undefined, here they stay."""
        return self.to(device)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: kernels are fused as they run."""

    # -- representation --------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """The settings that `repr` shows between the brackets."""
        return ""

    def __repr__(self) -> str:
        settings = self.extra_repr()
        children = [(n, m) for n, m in vars(self).items() if role_of(self, n) == "child module"]
        if not children and "\n" not in settings:
            return f"{type(self).__name__}({settings})"
        lines = [*([settings] if settings else ()), *(f"({n}): {m!r}" for n, m in children)]
        body = "\n".join(lines).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {body}\n)"

    def _repr_html_(self) -> str:
        return html_of(self)


def _zero_grad(parameters: Iterable[Tensor], set_to_none: bool) -> None:
    for parameter in parameters:
        if set_to_none or parameter.grad is None:
            parameter.grad = None
        else:
            parameter.grad.zero_()


def _at(module: Module, role: str, target: str) -> Any:
    """The parameter or buffer at a dotted name."""
    path, _, name = target.rpartition(".")
    owner = module.get_submodule(path)
    if role_of(owner, name) != role or vars(owner)[name] is None:
        names = [n for n, value in vars(owner).items() if role_of(owner, n) == role and value is not None]
        raise AttributeError(f"{type(owner).__name__} has no {role} {name!r} (looking for {target!r}); "
                             f"it has {', '.join(names) or 'none'}", name=name)
    return vars(owner)[name]
