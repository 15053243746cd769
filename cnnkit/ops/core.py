"""What an op is, and the one dispatcher that finds the fastest code for it.

An op is a function on arrays: ``op(*arrays, needs, **attrs) -> (outputs, backward)``. Its decorated body uses
nothing but the Array API: it is the generic implementation, the reference and the fallback, in one. Kernel
tables hold faster functions with the same signature; one that returns ``NotImplemented`` passes the call on
to the next, and at last to the generic body. Generic bodies never assign into arrays: JAX's cannot be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnkit.backends import Backend, Tables, backend_of
from cnnkit.backends.kernel import OP, ask, declare_kernel
from cnnkit.ops.order import keeping_order

__all__ = ["OPS", "Meta", "Op", "backend_of_inputs", "compose", "op"]

Array = Any
Shape = tuple[int, ...]
Meta = tuple[Shape, Any]  # shape and dtype of an output that is not computed yet

OPS: dict[str, Op] = {}


class Op:
    """An op: its generic body, what it promises of its results, and the dispatch to kernels.

    Parameters
    ----------
    generic : callable
        ``generic(*arrays, needs, **attrs) -> (outputs, backward)``; see `op` for the contract.
    infer : callable
        ``infer(shapes, dtypes, **attrs)`` returns one `Meta` per output and raises every error of shape,
        dtype and attribute. An absent optional array has shape and dtype ``None``, a Python number
        ``()`` and ``None``.
    outputs, differentiable : int
        How many outputs there are, and how many of them, counted from the first, have gradients.
    state : mapping
        Output position -> input position, for outputs that replace an input (batch norm's running
        statistics). They are written back by the tape, once, and are not returned to the caller.
    role : str
        What the op does in a network, by which patterns of kernel tables refer to it: ``"conv"``, ``"norm"``,
        ``"add"``, ``"activation"``, ``"pool"``, ``"linear"``; by default its own name.
    commutative : bool
        Whether ``op(x, y)`` and ``op(y, x)`` are the same to the bit, so that either operand may be the
        result of a chain.
    increasing : bool or callable
        Of an activation: whether a larger input never gives a smaller result, so that it may be applied
        after max pooling instead; a callable takes the attributes.
    kinks : tuple of float, or callable
        The inputs at which an elementwise op has no derivative; a callable takes the attributes.
    sums : bool
        Whether results or gradients are sums of many numbers, whose order is a kernel's own: finite numbers
        whose sum is beyond the dtype's largest may overflow in one order and not in another.
    choices : mapping
        Attribute -> its allowed values, for attributes that have a fixed set of them.
    saves : mapping
        Position of an input -> the positions of the inputs that its gradient needs, and ``"output"`` where it
        needs the result: those must not be changed in place before `backward`. By default every gradient
        needs every input.
    view : callable
        Of an op whose result shares memory with its first input in PyTorch: ``view(shape, strides, **attrs)``
        returns the result's strides, or ``None`` where the result is a copy.
    permuted : callable
        ``permuted(order, **attrs)``: the attributes with which the op does the same on arrays whose axes are
        permuted (the new axis i is the old ``order[i]``); only ops of one output that can do so have it.
    torch : str
        The PyTorch function that the op equals, such as ``"torch.add"``; tests compare the two. Empty where
        PyTorch has none that takes the same arrays and attributes.
    torch_names : mapping
        Attribute -> what that function calls it, where the names differ.
    """

    __name__: str
    name: str
    generic: Callable[..., Any]
    infer: (Callable[..., Any]) | None
    differentiable: int
    outputs: int
    state: dict[int, int]
    shown: tuple[int, ...]
    commutative: bool
    role: str
    choices: dict[str, Sequence[Any]]
    sums: bool
    torch: str
    torch_names: dict[str, str]
    saves: Mapping[int, Sequence[int | str]] | None

    def __init__(self, generic: Callable[..., Any], infer: Callable[..., Any] | None, outputs: int,
                 differentiable: int, state: Mapping[int, int], *,
                 role: str = "", commutative: bool = False, increasing: bool | Callable[..., bool] = False,
                 kinks: tuple[float, ...] | Callable[..., tuple[float, ...]] = (),
                 sums: bool = False, choices: Mapping[str, Sequence[Any]] | None = None,
                 saves: Mapping[int, Sequence[int | str]] | None = None,
                 view: Callable[..., tuple[int, ...] | None] | None = None,
                 permuted: Callable[..., Mapping[str, Any]] | None = None, torch: str = "",
                 torch_names: Mapping[str, str] | None = None):
        self.name = self.__name__ = generic.__name__
        self.__doc__ = generic.__doc__
        self.generic, self.infer = generic, infer
        self._in_order = generic if permuted is None else keeping_order(generic, permuted)
        self.outputs, self.differentiable, self.state = outputs, differentiable, dict(state)
        # positions of the outputs that the caller gets
        self.shown = tuple(position for position in range(outputs) if position not in self.state)
        self.role, self.commutative, self._increasing = role or self.name, commutative, increasing
        self._kinks, self.sums, self.choices = kinks, sums, dict(choices or {})
        self.torch, self.torch_names = torch, dict(torch_names or {})
        self.saves = saves
        self.view: Callable[..., tuple[int, ...] | None] | None = view
        self.saves_output: bool = any("output" in saved for saved in (saves or {}).values())
        self.saved_by: dict[tuple[bool, ...], tuple[tuple[int, ...], bool]] = {}  # what `saved` has found

    def body(self, backend: Backend) -> Callable[..., Any]:
        """What runs where no kernel does: the generic body, or the same on views (see `cnnkit.ops.order`)."""
        return self._in_order if backend.c_ordered else self.generic

    def increasing(self, attrs: Mapping[str, Any]) -> bool:
        """Whether a larger input never gives a smaller result."""
        return self._increasing(**attrs) if callable(self._increasing) else self._increasing

    def kinks(self, attrs: Mapping[str, Any]) -> tuple[float, ...]:
        """The inputs at which the op has no derivative, under these attributes."""
        return self._kinks(**attrs) if callable(self._kinks) else self._kinks

    def saved(self, needs: tuple[bool, ...]) -> tuple[tuple[int, ...], bool]:
        """The positions of the inputs that these gradients need, and whether they need the result."""
        every = [n for n in range(len(needs)) if n not in self.state.values()]
        wanted = {n for i, needed in enumerate(needs) if needed
                  for n in (every if self.saves is None else self.saves.get(i, ()))}
        result = self.saved_by[needs] = tuple(n for n in every if n in wanted), "output" in wanted
        return result

    def __call__(self, *arrays: Array, needs: Sequence[bool] | None = None,
                 **attrs: Any) -> tuple[tuple[Any, ...], Callable[..., Any] | None]:
        """Check the call, then run it: ``(tuple of outputs, backward or None)``."""
        backend = backend_of_inputs(self.name, arrays)
        self.check(arrays, attrs)
        return self.run(backend, backend.resolve(), arrays,
                        tuple(needs) if needs is not None else (False,) * len(arrays), attrs)

    def check(self, arrays: Sequence[Any], attrs: Mapping[str, Any]) -> tuple[Meta | None, ...] | None:
        """Raise the call's errors; return the outputs' shapes and dtypes where the op declares them."""
        if self.infer is None:
            return None
        return self.infer([getattr(a, "shape", None if a is None else ()) for a in arrays],
                          [getattr(a, "dtype", None) for a in arrays], **attrs)

    def run(self, backend: Backend, tables: Tables, arrays: Sequence[Any], needs: tuple[bool, ...],
            attrs: Mapping[str, Any]) -> tuple[tuple[Any, ...], Callable[..., Any] | None]:
        """Try the kernels in order, then the generic body; the call has been checked."""
        kernels, settings = tables.single.get(self.name, ()), {"needs": needs, **attrs}
        if backend.switches:
            with backend.on(device_of(arrays)):
                outputs, backward = ask((*kernels, self.body(backend)), arrays, settings)
        else:
            result = ask(kernels, arrays, settings)
            outputs, backward = (self.body(backend)(*arrays, **settings) if result is NotImplemented
                                 else result)
        if self.outputs == 1:
            if type(outputs) is type(arrays[0]):
                return (outputs,), backward
            outputs = (outputs,)
        return as_arrays(outputs, arrays[0], backend), backward

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def device_of(arrays: Sequence[Any]) -> Any:
    """The device of the first array among an op's inputs."""
    return next(a.device for a in arrays if hasattr(a, "device"))


def as_arrays(outputs: tuple[Any, ...], like: Array, backend: Backend) -> tuple[Any, ...]:
    """Make arrays of the scalars that some libraries return for 0-d results."""
    kind = type(like)
    for output in outputs:
        if type(output) is not kind and output is not None:
            asarray = backend.namespace.asarray
            return tuple(o if o is None else asarray(o) for o in outputs)
    return outputs


def backend_of_inputs(name: str, arrays: Sequence[Any]) -> Backend:
    """The one backend that all inputs belong to.

    Raises
    ------
    TypeError
        If two inputs belong to different backends; the message names both and the fix.
    """
    first: Any = None
    for array in arrays:
        kind = type(array)
        if kind is first or array is None or kind is float or kind is int or kind is bool:
            continue
        if first is None:
            first, backend = kind, backend_of(array)
        elif (other := backend_of(array)) is not backend:
            raise TypeError(f"{name} got arrays of two backends, {backend.name!r} and {other.name!r}; "
                            f"move one with Tensor.to({backend.name!r}) or Module.to({other.name!r})")
    if first is None:
        raise TypeError(f"{name} needs at least one array; got {', '.join(type(a).__name__ for a in arrays)}")
    return backend


def op(generic: Callable | None = None, *, infer: Callable | None = None, outputs: int = 1,
       differentiable: int | None = None, state: Mapping[int, int] | None = None, **properties: Any) -> Any:
    """Declare an op: the decorated function is its generic implementation; `properties` are passed to `Op`.

    The function takes arrays (``None`` for an absent optional one, Python numbers where it says so),
    ``needs`` (one bool per array: whether its gradient is needed) and attributes. It returns ``outputs`` (an
    array, or a tuple where ``outputs`` > 1) and ``backward``, or ``None`` where nothing is needed; then
    nothing is saved either. ``backward(*dys)`` takes one gradient per differentiable output, ``None`` where
    that output was not used, and returns one per array input, ``None`` where it is not needed. A ``dy`` may
    be read-only and have any strides. Neither a ``dy`` nor an input is ever written.
    """
    def declare(function: Callable) -> Op:
        with_gradients = outputs if differentiable is None else differentiable
        declared = Op(function, infer, outputs, with_gradients, state or {}, **properties)
        if declared.name in OPS:
            raise ValueError(f"an op called {declared.name!r} exists already")
        declare_kernel(declared.name, OP)
        OPS[declared.name] = declared
        return declared
    return declare if generic is None else declare(generic)


class Call:
    """One op of a chain with its attributes; see `cnnkit.backends.Call`.

    `count` says how many of the chain's arrays are this op's: all for the first op, all but the first
    for the others.
    """

    __slots__ = ("attrs", "count", "op")
    attrs: Mapping[str, Any]
    count: int
    op: Op

    def __init__(self, op: Op, attrs: Mapping[str, Any], count: int):
        self.op, self.attrs, self.count = op, attrs, count


def run_chain(backend: Backend, kernels: Sequence[Any], calls: Sequence[Any], arrays: Sequence[Any],
              needs: tuple[bool, ...]) -> Any:
    """Ask the kernels of a chain of ops; ``NotImplemented`` when none serves the call.

    The arrays are concatenated op by op, without the first array of every op but the first. A kernel is
    called as ``kernel(*arrays, needs, calls)``. Its outputs are the last op's first output, then the
    non-differentiable outputs of each op in order; ``backward(dy)`` returns one gradient per array.
    """
    settings = {"needs": needs, "calls": calls}
    if backend.switches:
        with backend.on(device_of(arrays)):
            result = ask(kernels, arrays, settings)
    else:
        result = ask(kernels, arrays, settings)
    if result is NotImplemented:
        return result
    outputs, backward = result
    return as_arrays(outputs if isinstance(outputs, tuple) else (outputs,), arrays[0], backend), backward


def run_calls(calls: Sequence[Call], arrays: Sequence[Any],
              needs: tuple[bool, ...]) -> tuple[tuple[Any, ...], Callable[..., Any] | None]:
    """Run a chain of ops by one kernel that fuses them all, or else op by op."""
    backend = backend_of_inputs(calls[0].op.name, arrays)
    kernels = backend.resolve().of_chain([call.op for call in calls])
    result = run_chain(backend, kernels, calls, arrays, needs)
    return compose(calls, arrays, needs) if result is NotImplemented else result


def compose(calls: Sequence[Call], arrays: Sequence[Any], needs: Sequence[bool]) -> tuple[tuple[Any, ...],
            Callable[..., Any] | None]:
    """What a chain means: the ops one after the other, with the signature and the result of a chain's kernel.

    Tests compare the kernels of chains with this.
    """
    extra: list = []
    backwards: list[Callable | None] = []
    start, value, value_needs = 0, None, False
    for position, call in enumerate(calls):
        inputs, input_needs = list(arrays[start:start + call.count]), list(needs[start:start + call.count])
        start += call.count
        if position:
            inputs, input_needs = [value, *inputs], [value_needs, *input_needs]
        outputs, backward = call.op(*inputs, needs=input_needs, **call.attrs)
        value, value_needs = outputs[0], any(input_needs)
        extra += outputs[call.op.differentiable:]
        backwards.append(backward)

    def backward_through(dy: Array) -> tuple:
        gradients: list = []
        for position in reversed(range(len(calls))):
            backward = backwards[position]
            if backward is None:
                dxs: tuple = (None,) * (calls[position].count + (position > 0))
            else:
                dxs = backward(dy, *[None] * (calls[position].op.differentiable - 1))
            if position:
                dy, dxs = dxs[0], dxs[1:]
            gradients[:0] = dxs
        return tuple(gradients)
    return (value, *extra), backward_through if value_needs else None
