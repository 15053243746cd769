"""Tensor: an array of any backend, its place on the tape, and PyTorch's methods on it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import cnnkit.ops.arithmetic as A
from cnnkit import backends
from cnnkit.autograd import deferral
from cnnkit.autograd.tape import Handle, Node, enable_grad, is_grad_enabled, mode, no_grad, run_backward
from cnnkit.ops.core import Op, backend_of_inputs

__all__ = ["Tensor", "apply", "enable_grad", "is_grad_enabled", "no_grad", "tensor"]

Array = Any
Number = bool | int | float


class Tensor:
    """An array with a gradient: what user code, layers and losses work on.

    Wraps `array` as it is, without a copy; `tensor` makes one from numbers, lists and NumPy arrays.

    Parameters
    ----------
    array : array
        Any known backend's array.
    requires_grad : bool
        Record what is done with it, so that ``backward()`` fills ``grad``.

    Attributes
    ----------
    grad : Tensor or None
        The gradient that ``backward()`` added up; a Tensor without tape.

    >>> import numpy as np
    >>> x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.], dtype=float64)
    """

    __slots__ = ("__weakref__", "_hooks", "_index", "_link", "_node", "_position", "_value", "_version", "grad",
                 "requires_grad")
    __array_ufunc__ = None  # NumPy hands arithmetic with a Tensor on the right over to the Tensor

    def __init__(self, array: Array, requires_grad: bool = False):
        if isinstance(array, Tensor):
            array = array.array
        backends.backend_of(array)
        self._value = array
        self._link: deferral.Link | None = None
        self._node: Node | None = None
        self._index = self._position = 0
        self._version = [0]
        self._hooks: list[Callable] | None = None
        self.grad: Tensor | None = None
        self.requires_grad = False
        if requires_grad:
            self.requires_grad_()

    # -- the value ------------------------------------------------------------------------------------------------

    @property
    def array(self) -> Array:
        """The raw array, computed now if it was deferred."""
        if self._link is not None:
            self._link.force()
        return self._value

    @classmethod
    def _of(cls, array: Array, node: Node | None = None, index: int = 0) -> Tensor:
        """A Tensor around a result, without any check."""
        new = cls.__new__(cls)
        new._value = array
        new._link = None
        new._node, new._index, new._position = node, index, 0
        new._version = [0]
        new._hooks = new.grad = None
        new.requires_grad = node is not None
        return new

    @classmethod
    def _pending(cls, link: deferral.Link, position: int, requires_grad: bool) -> Tensor:
        """A Tensor whose array a deferred call will make."""
        new = Tensor._of(None)
        new._link, new._position, new.requires_grad = link, position, requires_grad
        return new

    def _await(self, link: deferral.Link, position: int) -> None:
        """Become the deferred output `position` of `link` (a buffer that an op with state replaces)."""
        self.array  # noqa: B018 - an earlier pending value is settled first
        self._link, self._position = link, position
        self._version[0] += 1

    def _settle(self, array: Array, node: Node | None, index: int) -> None:
        """Take the array that the deferred call has made."""
        self._value, self._link, self._node, self._index = array, None, node, index

    def _edge(self) -> Any:
        """Where this Tensor's gradient goes on the tape: a node's output, or the Tensor itself if it is a leaf."""
        return self if self._node is None else (self._node, self._index)

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each axis; known before a deferred Tensor is computed."""
        if self._link is not None:
            return tuple(self._link.metas[self._position][0])  # type: ignore[index]
        return tuple(self._value.shape)

    @property
    def dtype(self) -> Any:
        """The array library's dtype; known before a deferred Tensor is computed."""
        if self._link is not None:
            return self._link.metas[self._position][1]  # type: ignore[index]
        return self._value.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def backend(self) -> str:
        """Name of the backend that runs ops on this Tensor."""
        return self._backend().name

    def _backend(self) -> backends.Backend:
        return backends.backend_of(self._value) if self._link is None else self._link.backend

    @property
    def is_leaf(self) -> bool:
        """Whether this Tensor is no recorded op's result."""
        return self._node is None and not (self._link is not None and self.requires_grad)

    def size(self, axis: int | None = None) -> Any:
        """The shape, or the size along one axis."""
        return self.shape if axis is None else self.shape[axis]

    def numel(self) -> int:
        """Number of elements."""
        count = 1
        for n in self.shape:
            count *= n
        return count

    def item(self) -> Number:
        """The one element's value as a Python number; waits for the device."""
        if self.numel() != 1:
            raise ValueError(f"item() needs a Tensor with one element; this one has shape {self.shape}")
        return self.numpy().reshape(()).item()

    def numpy(self) -> Any:
        """The values as a NumPy array, without tape; on the NumPy backend it shares memory."""
        array = self.array
        return backends.backend_of(array).to_numpy(array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        values = self.numpy()
        if dtype is not None and values.dtype != dtype:
            return values.astype(dtype)
        return values.copy() if copy else values

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return self.numpy().tolist()

    def detach(self) -> Tensor:
        """The same array without tape; a later change in place of one counts as a change of both."""
        new = Tensor._of(self.array)
        new._version = self._version
        return new

    def clone(self) -> Tensor:
        """A copy, with tape."""
        return apply(A.clone, self)

    def to(self, target: Any = None, dtype: Any = None) -> Tensor:
        """Move to a backend (``"cupy"``, ``"cupy:1"``), or convert to a dtype (``"float64"``), or both.

        Moving to another backend starts a new tape: the result is a leaf. Converting is recorded.
        """
        new = self
        if target is not None and dtype is None and backends.dtype_name(target) in backends.DTYPES:
            target, dtype = None, target
        if target is not None:
            backend = backends.get(target)
            device = target.split(":", 1)[1] if isinstance(target, str) and ":" in target else None
            if backend is not backends.backend_of(self.array) or device is not None:
                new = Tensor(backend.asarray(self.numpy(), device=device), self.requires_grad and self.is_leaf)
        if dtype is not None:
            wanted = backends.backend_of(new.array).dtype(dtype)
            if new.dtype != wanted:
                new = apply(A.cast, new, dtype=wanted)
        return new

    def float(self) -> Tensor:
        """Convert to float32."""
        return self.to(dtype="float32")

    def double(self) -> Tensor:
        """Convert to float64."""
        return self.to(dtype="float64")

    # -- changes in place -----------------------------------------------------------------------------------------

    def copy_(self, values: Any) -> Tensor:
        """Replace the values, in place, with broadcasting and conversion to this Tensor's dtype; on a leaf only."""
        backend, shape, dtype = self._backend(), self.shape, self.dtype
        if isinstance(values, Tensor):
            values = values.array if backends.backend_of(values.array) is backend else values.numpy()
        new = backend.asarray(values, dtype)
        if tuple(new.shape) != shape:
            xp = backend.namespace
            new = xp.asarray(xp.broadcast_to(new, shape), copy=True)
        return self._replace(new)

    def _replace(self, array: Array) -> Tensor:
        """Take `array` as the new value: what every change in place comes down to. Bumps the version."""
        if mode.grad and self.requires_grad:
            raise RuntimeError("a Tensor that requires a gradient cannot be changed in place while the tape records; do it "
                               "inside `with cnnkit.no_grad():`")
        if not self.is_leaf:
            raise RuntimeError("only a leaf Tensor can be changed in place; this one is the result of a recorded op: use "
                               "detach() or clone() first")
        self._value, self._link = array, None
        self._version[0] += 1
        return self

    def fill_(self, value: Number) -> Tensor:
        """Set every element to `value`, in place."""
        return self.copy_(value)

    def zero_(self) -> Tensor:
        """Set every element to zero, in place."""
        return self.copy_(0)

    def add_(self, other: Any) -> Tensor:
        """Add `other`, in place."""
        return self._in_place(A.add, other)

    def sub_(self, other: Any) -> Tensor:
        """Subtract `other`, in place."""
        return self._in_place(A.sub, other)

    def mul_(self, other: Any) -> Tensor:
        """Multiply by `other`, in place."""
        return self._in_place(A.mul, other)

    def _in_place(self, op: Op, other: Any) -> Tensor:
        with no_grad():
            new = apply(op, self, other).array
        if tuple(new.shape) != self.shape:
            raise ValueError(f"{op.name}_ in place needs a value that fits shape {self.shape}; the result has {new.shape}")
        return self._replace(new)

    # -- gradients ------------------------------------------------------------------------------------------------

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Record (or no longer record) what is done with this leaf from now on."""
        if requires_grad and "float" not in backends.dtype_name(self.dtype):
            raise TypeError(f"only floating-point Tensors can require a gradient; this one is {backends.dtype_name(self.dtype)}")
        if not self.is_leaf and not requires_grad:
            raise RuntimeError("requires_grad can be switched off on a leaf only; use detach()")
        self.requires_grad = requires_grad
        return self

    def backward(self, gradient: Any = None, retain_graph: bool = False) -> None:
        """Add the gradient of this Tensor with respect to every leaf to that leaf's ``grad``.

        Parameters
        ----------
        gradient : Tensor or array, optional
            The gradient of something with respect to this Tensor, of its shape; 1 where this Tensor is a scalar.
        retain_graph : bool
            Keep what the ops have saved, so that `backward` can go through them again.

        Raises
        ------
        RuntimeError
            If nothing was recorded, if the tape was freed by an earlier `backward`, if an input has changed in place
            since, or if the Tensor is no scalar and `gradient` is missing.
        """
        array = self.array
        if not self.requires_grad:
            raise RuntimeError("backward() on a Tensor that requires no gradient: nothing it was made from has "
                               "requires_grad=True, or it was made under no_grad()")
        xp = backends.backend_of(array).namespace
        if gradient is None:
            if self.numel() != 1:
                raise RuntimeError(f"backward() without a gradient needs a scalar; this Tensor has shape {self.shape}. Reduce it "
                                   "first (.sum(), .mean()), or pass gradient=")
            dy = xp.ones_like(array)
        else:
            dy = gradient.array if isinstance(gradient, Tensor) else xp.asarray(gradient, dtype=array.dtype)
            if tuple(dy.shape) != self.shape:
                raise ValueError(f"backward() got a gradient of shape {tuple(dy.shape)} for a Tensor of shape {self.shape}")
        if self._node is None:
            self._receive(dy)
        else:
            run_backward(self._node, self._index, dy, retain_graph)

    def _receive(self, dx: Array) -> None:
        """Take the whole gradient that one walk over the tape brought to this leaf.

        Never in place: the array may be read-only, or be held as somebody else's gradient too.
        """
        if self._hooks is not None:
            for hook in self._hooks:
                dx = hook(dx)
        self.grad = Tensor._of(dx if self.grad is None else self.grad.array + dx)

    def _add_grad(self, dx: Array) -> None:
        self.grad = Tensor._of(dx if self.grad is None else self.grad.array + dx)

    def _own_node(self, what: str) -> Node:
        if not self.requires_grad:
            raise RuntimeError(f"{what} on a Tensor that requires no gradient")
        link = self._link
        passed = link is not None and link.status == deferral.PASSED
        self.array  # noqa: B018 - a hook breaks the chain here
        if passed or (self._node is not None and self._node.detour):
            raise RuntimeError(f"{what} on a result in the middle of a chain that a fused kernel has already run: no gradient "
                               f"comes back through it. Call {what} right after the op that makes it, before it is used")
        assert self._node is not None
        return self._node

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Handle:
        """Call `hook` with this Tensor's gradient in every backward; what it returns, if anything, takes its place."""
        def on_array(dy: Array) -> Array:
            changed = hook(Tensor._of(dy))
            return dy if changed is None else changed.array
        if self.is_leaf:
            if not self.requires_grad:
                raise RuntimeError("register_hook on a Tensor that requires no gradient")
            hooks = self._hooks = self._hooks or []
        else:
            node = self._own_node("register_hook()")
            node.hooks = node.hooks or {}
            hooks = node.hooks.setdefault(self._index, [])
        hooks.append(on_array)
        return Handle(lambda: hooks.remove(on_array))

    def retain_grad(self) -> None:
        """Keep the gradient of this result of an op in ``grad``, as leaves do."""
        if not self.is_leaf:
            node = self._own_node("retain_grad()")
            node.retain = node.retain or {}
            node.retain[self._index] = weakref.ref(self)

    # -- copying --------------------------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("only leaf Tensors can be deep-copied; this one is the result of a recorded op: use detach() first")
        array = self.array
        new = type(self)._of(backends.backend_of(array).asarray(array))
        new.requires_grad = self.requires_grad
        if self.grad is not None:
            new.grad = self.grad.__deepcopy__(memo)
        memo[id(self)] = new
        return new

    def __reduce__(self) -> tuple:
        if not self.is_leaf:
            raise RuntimeError("only leaf Tensors can be pickled; this one is the result of a recorded op: use detach() first")
        return _rebuild, (type(self), self.backend, self.numpy(), self.requires_grad)

    def __repr__(self) -> str:
        backend = backends.backend_of(self.array)
        body = backend.text(self._value, "tensor(")
        notes = "" if (name := backends.dtype_name(self.dtype)) in ("float32", "int64", "bool") else f", dtype={name}"
        if not backend.host:
            notes += f", backend={backend.name!r}"
        if self._node is not None:
            notes += f", grad_fn={self._node!r}"
        elif self.requires_grad:
            notes += ", requires_grad=True"
        return f"tensor({body}{notes})"

    # -- operators ------------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor: return apply(A.add, self, other)
    def __radd__(self, other: Any) -> Tensor: return apply(A.add, other, self)
    def __sub__(self, other: Any) -> Tensor: return apply(A.sub, self, other)
    def __rsub__(self, other: Any) -> Tensor: return apply(A.sub, other, self)
    def __mul__(self, other: Any) -> Tensor: return apply(A.mul, self, other)
    def __rmul__(self, other: Any) -> Tensor: return apply(A.mul, other, self)
    def __truediv__(self, other: Any) -> Tensor: return apply(A.div, self, other)
    def __rtruediv__(self, other: Any) -> Tensor: return apply(A.div, other, self)
    def __pow__(self, other: Any) -> Tensor: return apply(A.pow, self, other)
    def __rpow__(self, other: Any) -> Tensor: return apply(A.pow, other, self)
    def __neg__(self) -> Tensor: return apply(A.neg, self)
    def __matmul__(self, other: Any) -> Tensor: return apply(A.matmul, self, other)
    def __rmatmul__(self, other: Any) -> Tensor: return apply(A.matmul, other, self)
    def __eq__(self, other: Any) -> Any: return apply(A.equal, self, other)
    def __ne__(self, other: Any) -> Any: return apply(A.not_equal, self, other)
    def __lt__(self, other: Any) -> Tensor: return apply(A.less, self, other)
    def __le__(self, other: Any) -> Tensor: return apply(A.less_equal, self, other)
    def __gt__(self, other: Any) -> Tensor: return apply(A.greater, self, other)
    def __ge__(self, other: Any) -> Tensor: return apply(A.greater_equal, self, other)
    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Tensor:
        return apply(A.getitem, self, index=_plain_index(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError("a Tensor's elements cannot be assigned: not every array library can. Use cnnkit.functional.where, or "
                        "copy_() for the whole Tensor")

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a Tensor without axes")
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:  # type: ignore[valid-type]
        import builtins
        return builtins.float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    # -- methods that are ops -------------------------------------------------------------------------------------

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in C order with another shape; one size may be -1."""
        return apply(A.reshape, self, shape=_unpack(shape))

    def view(self, *shape: Any) -> Tensor:
        """`reshape`: copies where memory allows no view."""
        return self.reshape(*shape)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """Join the axes from `start_dim` to `end_dim` into one."""
        shape = self.shape
        if not shape:
            return self.reshape(1)
        start, end = _axis(start_dim, len(shape)), _axis(end_dim, len(shape))
        if start > end:
            raise ValueError(f"flatten needs start_dim <= end_dim; got {start_dim} and {end_dim} for shape {shape}")
        joined = 1
        for n in shape[start:end + 1]:
            joined *= n
        return apply(A.reshape, self, shape=(*shape[:start], joined, *shape[end + 1:]))

    def permute(self, *axes: Any) -> Tensor:
        """The axes in another order."""
        return apply(A.permute, self, axes=_unpack(axes))

    def transpose(self, axis0: int, axis1: int) -> Tensor:
        """Swap two axes."""
        order = list(range(self.ndim))
        i, j = _axis(axis0, self.ndim), _axis(axis1, self.ndim)
        order[i], order[j] = j, i
        return apply(A.permute, self, axes=tuple(order))

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return apply(A.permute, self, axes=tuple(reversed(range(self.ndim))))

    def expand(self, *shape: Any) -> Tensor:
        """Broadcast to `shape`."""
        return apply(A.expand, self, shape=_unpack(shape))

    def squeeze(self, axis: int | None = None) -> Tensor:
        """Leave out axes of size 1: all of them, or one."""
        shape = self.shape
        if axis is not None:
            axis = _axis(axis, len(shape))
        return self.reshape(tuple(n for i, n in enumerate(shape) if n != 1 or (axis is not None and i != axis)))

    def unsqueeze(self, axis: int) -> Tensor:
        """Put in an axis of size 1 at `axis`."""
        at = _axis(axis, self.ndim + 1)
        return self.reshape((*self.shape[:at], 1, *self.shape[at:]))

    def sum(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """Sum over all axes, or over `dim` (an int or a tuple)."""
        return apply(A.sum, self, axis=dim, keepdims=keepdim)

    def mean(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """Mean over all axes, or over `dim` (an int or a tuple)."""
        return apply(A.mean, self, axis=dim, keepdims=keepdim)

    def max(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """Maximum over all axes, or over `dim`; ties share the gradient equally, as in PyTorch's ``amax``."""
        return apply(A.max, self, axis=dim, keepdims=keepdim)

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Position of the (first) maximum along `dim`, or in the flattened Tensor."""
        return apply(A.argmax, self, axis=dim, keepdims=keepdim)

    def exp(self) -> Tensor:
        """Exponential of each element."""
        return apply(A.exp, self)

    def log(self) -> Tensor:
        """Natural logarithm of each element."""
        return apply(A.log, self)

    def sqrt(self) -> Tensor:
        """Square root of each element."""
        return apply(A.sqrt, self)

    def abs(self) -> Tensor:
        """Absolute value of each element; the gradient at 0 is 0."""
        return apply(A.abs, self)

    def clamp(self, min: float | None = None, max: float | None = None) -> Tensor:  # type: ignore[valid-type]
        """Elements limited to [`min`, `max`]."""
        return apply(A.clip, self, min=min, max=max)

    def matmul(self, other: Any) -> Tensor:
        """Matrix product over the last two axes."""
        return apply(A.matmul, self, other)


def apply(op: Op, *inputs: Any, **attrs: Any) -> Any:
    """Run an op on Tensors (and Python numbers, arrays, ``None``), and record it where a gradient is wanted.

    Returns the op's outputs as Tensors, one or a tuple; outputs that replace an input (``op.state``) are written to it.
    """
    plan = deferral.plan(op, inputs[0]) if mode.depth and isinstance(inputs[0], Tensor) else None
    follows = None if plan is None else plan[0]
    recording, kind, alike = mode.grad, None, True
    arrays: list = []
    needs: list[bool] = []
    edges: list = []
    versions: list = []
    shapes: list = []
    dtypes: list = []
    for i in inputs:
        if isinstance(i, Tensor):
            if follows is not None and not arrays:  # the chain's own result is not computed yet
                array, kind = None, follows.kind
                shape, dtype = follows.metas[0]  # type: ignore[misc]
            else:
                array = i._value if i._link is None else i.array
                shape, dtype = array.shape, array.dtype
                if kind is None:
                    kind = type(array)
                elif type(array) is not kind:
                    alike = False
            wanted = recording and i.requires_grad
            edges.append((i if i._node is None else (i._node, i._index)) if wanted else None)
            versions.append((i._version, i._version[0]))
        else:
            array, wanted = i, False
            shape, dtype = getattr(i, "shape", None if i is None else ()), getattr(i, "dtype", None)
            alike = alike and i is None
            edges.append(None)
        arrays.append(array)
        needs.append(wanted)
        shapes.append(shape)
        dtypes.append(dtype)
    if op.state:  # what the op itself replaces does not count as changed
        replaced = [inputs[at]._version for at in op.state.values() if inputs[at] is not None]
        versions = [v for v in versions if not any(v[0] is r for r in replaced)]

    if plan is not None and alike:
        metas = op.infer(shapes, dtypes, **attrs)  # type: ignore[misc]
        if follows is not None:
            del arrays[0], needs[0], edges[0], versions[0]
        link = deferral.Link(op, attrs, plan, arrays, needs, edges, versions, metas, kind)  # type: ignore[arg-type]
        pending = deferral.postpone(link, inputs, Tensor._pending)
        return pending[0] if len(pending) == 1 else pending
    if follows is not None:
        arrays[0] = inputs[0].array
        edges[0] = inputs[0]._edge() if needs[0] else None
    backend = backends.backend_of(arrays[0]) if alike else backend_of_inputs(op.name, arrays)
    if op.infer is not None:
        op.infer(shapes, dtypes, **attrs)
    outputs, backward = op.run(backend, arrays, tuple(needs), attrs)
    node = Node(op.name, backward, edges, versions, op.differentiable) if backward is not None and True in needs else None
    if op.outputs == 1:
        return Tensor._of(outputs[0], node)
    for position, at in op.state.items():
        if outputs[position] is not None and inputs[at] is not None:
            inputs[at]._replace(outputs[position])
    results = [Tensor._of(o, node if p < op.differentiable else None, p)
               for p, o in enumerate(outputs) if p not in op.state]
    return results[0] if op.public == 1 else tuple(results)


def tensor(data: Any, requires_grad: bool = False, *, dtype: Any = None, backend: Any = None) -> Tensor:
    """Copy `data` into a new leaf Tensor.

    Parameters
    ----------
    data : number, nested lists, array or Tensor
        NumPy arrays and Python numbers go to `backend`; arrays of other libraries stay with theirs unless it is given.
    requires_grad : bool
        Record what is done with it.
    dtype : str or dtype, optional
        ``"float32"``...; by default an array keeps its own, Python floats become float32 and Python ints int64.
    backend : str, optional
        Where the array is made; by default where `cnnkit.use` says.

    >>> tensor([[1, 2], [3, 4]], dtype="float32").shape
    (2, 2)
    """
    if isinstance(data, Tensor):
        data = data.array
    here = backends.get(backend) if backend is not None else backends.current()
    device = backends.current_device() if backend is None else None
    if isinstance(backend, str) and ":" in backend:
        device = backend.split(":", 1)[1]
    if hasattr(data, "dtype"):
        there = backends.backend_of(data)
        if there is not here and not there.host and backend is None:
            here, device = there, None
        elif there is not here:
            data = there.to_numpy(data)
        return Tensor(here.asarray(data, data.dtype if dtype is None else dtype, device), requires_grad)
    if dtype is None:
        kind = _kind_of(data)
        dtype = {"float": "float32", "int": "int64", "bool": "bool"}[kind]
    return Tensor(here.asarray(data, dtype, device), requires_grad)


def _kind_of(data: Any) -> str:
    """float, int or bool: the widest kind among Python numbers in nested lists."""
    if isinstance(data, Tensor) or hasattr(data, "dtype"):
        name = backends.dtype_name(data.dtype)
        return "float" if "float" in name else "bool" if name == "bool" else "int"
    if isinstance(data, Sequence) and not isinstance(data, str):
        kinds = {_kind_of(d) for d in data}
        return next((k for k in ("float", "int", "bool") if k in kinds), "float")
    if isinstance(data, Number):
        return type(data).__name__
    raise TypeError(f"tensor() takes numbers, nested lists and arrays; got {type(data).__name__}: {data!r:.60}")


def _rebuild(kind: type[Tensor], backend: str, values: Any, requires_grad: bool) -> Tensor:
    new = kind._of(backends.get(backend).asarray(values))
    new.requires_grad = requires_grad
    return new


def _axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise IndexError(f"axis {axis} is out of range for a Tensor with {ndim} axes")
    return axis % ndim


def _unpack(sizes: tuple) -> tuple[int, ...]:
    """``(2, 3)`` from ``f(2, 3)`` as from ``f((2, 3))``."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes


def _plain_index(index: Any) -> Any:
    """An index with Tensors replaced by their arrays."""
    if isinstance(index, tuple):
        return tuple(i.array if isinstance(i, Tensor) else i for i in index)
    return index.array if isinstance(index, Tensor) else index
