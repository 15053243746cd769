"""Elementwise arithmetic, comparisons, reductions, matrix product and shape changes: what a Tensor's methods call."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.backends import dtype_name, namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.window import dilate, pad_axis

Array = Any


def unbroadcast(dy: Array, like: Array) -> Array:
    """Sum a gradient over the axes that broadcasting added or stretched, back to the shape of `like`."""
    shape = tuple(like.shape)
    if tuple(dy.shape) == shape:
        return dy
    xp = namespace_of(dy)
    extra = dy.ndim - len(shape)
    axes = (*range(extra), *(i + extra for i, n in enumerate(shape) if n == 1 and dy.shape[i + extra] != 1))
    total = xp.sum(dy, axis=axes)
    return xp.reshape(total, shape) if shape else xp.asarray(total)  # NumPy sums to a scalar, which is no array


def broadcast_shape(name: str, shapes: Sequence) -> tuple[int, ...]:
    """The shape that two or more shapes broadcast to, or an error that names the op and the shapes."""
    shapes = [tuple(s) for s in shapes]
    result: list[int] = []
    for i in range(1, builtins.max(map(len, shapes), default=0) + 1):
        sizes = {s[-i] for s in shapes if len(s) >= i} - {1}
        if len(sizes) > 1:
            raise ValueError(f"{name} got shapes {' and '.join(map(str, shapes))}, which do not broadcast: the sizes differ at "
                             f"axis -{i}, and none is 1")
        result.append(sizes.pop() if sizes else 1)
    return tuple(reversed(result))


def _infer_binary(name: str) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence) -> tuple:
        if shapes[0] == shapes[1]:
            return ((shapes[0], dtypes[0]),)
        kinds = [d for d in dtypes if d is not None]
        return ((broadcast_shape(name, shapes), kinds[0] if len(kinds) == 1 or kinds[0] == kinds[1] else None),)
    return infer


def _backward_pair(x: Array, y: Array, needs: Sequence[bool], dx: Callable, dy: Callable) -> Callable | None:
    """The backward of a binary op from its two partial products, each only where it is needed."""
    if not any(needs):
        return None

    def backward(d: Array) -> tuple:
        return (unbroadcast(dx(d), x) if needs[0] else None, unbroadcast(dy(d), y) if needs[1] else None)
    return backward


@op(infer=_infer_binary("add"))
def add(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x + y, with broadcasting; one of the two may be a Python number."""
    return x + y, _backward_pair(x, y, needs, lambda d: d, lambda d: d)


@op(infer=_infer_binary("sub"))
def sub(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x - y, with broadcasting; one of the two may be a Python number."""
    return x - y, _backward_pair(x, y, needs, lambda d: d, lambda d: -d)


@op(infer=_infer_binary("mul"))
def mul(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x * y, with broadcasting; one of the two may be a Python number."""
    return x * y, _backward_pair(x, y, needs, lambda d: d * y, lambda d: d * x)


@op(infer=_infer_binary("div"))
def div(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x / y, with broadcasting; one of the two may be a Python number."""
    return x / y, _backward_pair(x, y, needs, lambda d: d / y, lambda d: -d * x / (y * y))


@op(infer=_infer_binary("pow"))
def pow(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x ** y, with broadcasting; one of the two may be a Python number."""
    z = x ** y

    def by_base(d: Array) -> Array:
        return d * y * x ** (y - 1)

    def by_exponent(d: Array) -> Array:
        xp = namespace_of(z)
        if not hasattr(x, "dtype"):
            return d * z * math.log(x)
        positive = x > 0  # 0 ** y is flat in y, and the logarithm of 0 must not spoil it
        return d * z * xp.where(positive, xp.log(xp.where(positive, x, xp.ones_like(x))), xp.zeros_like(x))
    return z, _backward_pair(x, y, needs, by_base, by_exponent)


def _infer_same(shapes: Sequence, dtypes: Sequence, **attrs: Any) -> tuple:
    return ((shapes[0], dtypes[0]),)


@op(infer=_infer_same)
def neg(x: Array, *, needs: Sequence[bool]) -> tuple:
    """-x."""
    return -x, (lambda dy: (-dy,)) if needs[0] else None


@op(infer=_infer_same)
def exp(x: Array, *, needs: Sequence[bool]) -> tuple:
    """e ** x."""
    y = namespace_of(x).exp(x)
    return y, (lambda dy: (dy * y,)) if needs[0] else None


@op(infer=_infer_same)
def log(x: Array, *, needs: Sequence[bool]) -> tuple:
    """Natural logarithm."""
    return namespace_of(x).log(x), (lambda dy: (dy / x,)) if needs[0] else None


@op(infer=_infer_same)
def sqrt(x: Array, *, needs: Sequence[bool]) -> tuple:
    """Square root."""
    y = namespace_of(x).sqrt(x)
    return y, (lambda dy: (dy / (2 * y),)) if needs[0] else None


@op(infer=_infer_same)
def abs(x: Array, *, needs: Sequence[bool]) -> tuple:
    """Absolute value; gradient 0 at 0."""
    xp = namespace_of(x)
    return xp.abs(x), (lambda dy: (dy * xp.sign(x),)) if needs[0] else None


@op(infer=_infer_same)
def clip(x: Array, *, needs: Sequence[bool], min: float | None, max: float | None) -> tuple:
    """x limited to [min, max]; the gradient passes where x is inside, the ends included, as in PyTorch."""
    xp = namespace_of(x)
    y = xp.clip(x, min, max)
    if not needs[0]:
        return y, None
    inside = xp.ones(tuple(x.shape), dtype=xp.bool, device=getattr(x, "device", None))
    if min is not None:
        inside = inside & (x >= min)
    if max is not None:
        inside = inside & (x <= max)
    return y, lambda dy: (xp.where(inside, dy, xp.zeros_like(dy)),)


@op(infer=_infer_same)
def clone(x: Array, *, needs: Sequence[bool]) -> tuple:
    """A copy."""
    return namespace_of(x).asarray(x, copy=True), (lambda dy: (dy,)) if needs[0] else None


@op
def cast(x: Array, *, needs: Sequence[bool], dtype: Any) -> tuple:
    """x converted to another dtype."""
    xp, before = namespace_of(x), x.dtype
    return xp.astype(x, dtype), (lambda dy: (xp.astype(dy, before),)) if needs[0] else None


@op
def where(condition: Array, x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """Elements of x where the condition holds, elsewhere of y; with broadcasting."""
    xp = namespace_of(condition)
    like = x if hasattr(x, "dtype") else y
    x, y = (v if hasattr(v, "dtype") else xp.asarray(v, dtype=like.dtype, device=getattr(like, "device", None)) for v in (x, y))
    if not any(needs):
        return xp.where(condition, x, y), None

    def backward(dy: Array) -> tuple:
        zero = xp.zeros_like(dy)
        return (None, unbroadcast(xp.where(condition, dy, zero), x) if needs[1] else None,
                unbroadcast(xp.where(condition, zero, dy), y) if needs[2] else None)
    return xp.where(condition, x, y), backward


# -- comparisons: plain outputs, no gradient ----------------------------------------------------------------------

def _comparison(compare: Callable, name: str, words: str) -> Any:
    def body(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
        return compare(x, y), None
    body.__name__, body.__doc__ = name, f"Whether x {words} y, element by element."
    return op(body, differentiable=0)


equal = _comparison(lambda x, y: x == y, "equal", "equals")
not_equal = _comparison(lambda x, y: x != y, "not_equal", "differs from")
less = _comparison(lambda x, y: x < y, "less", "is less than")
less_equal = _comparison(lambda x, y: x <= y, "less_equal", "is at most")
greater = _comparison(lambda x, y: x > y, "greater", "is greater than")
greater_equal = _comparison(lambda x, y: x >= y, "greater_equal", "is at least")


# -- reductions ---------------------------------------------------------------------------------------------------

def _axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    for a in axes:
        if not -ndim <= a < ndim:
            raise IndexError(f"{name} got axis {a} for an array with {ndim} axes")
    return tuple(a % ndim for a in axes)


def _infer_reduction(name: str) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence, *, axis: Any, keepdims: bool) -> tuple:
        axes = _axes(name, axis, len(shapes[0]))
        if keepdims:
            shape = tuple(1 if i in axes else n for i, n in enumerate(shapes[0]))
        else:
            shape = tuple(n for i, n in enumerate(shapes[0]) if i not in axes)
        return ((shape, dtypes[0]),)
    return infer


def _stretch(dy: Array, like: Array, axes: tuple[int, ...]) -> Array:
    """Broadcast a reduction's gradient back over the axes it was reduced over."""
    xp = namespace_of(dy)
    shape = tuple(1 if i in axes else n for i, n in enumerate(like.shape))
    return xp.broadcast_to(xp.reshape(dy, shape), tuple(like.shape))


@op(infer=_infer_reduction("sum"))
def sum(x: Array, *, needs: Sequence[bool], axis: Any = None, keepdims: bool = False) -> tuple:
    """Sum over `axis`."""
    xp, axes = namespace_of(x), _axes("sum", axis, x.ndim)
    return xp.sum(x, axis=axes, keepdims=keepdims), (lambda dy: (_stretch(dy, x, axes),)) if needs[0] else None


@op(infer=_infer_reduction("mean"))
def mean(x: Array, *, needs: Sequence[bool], axis: Any = None, keepdims: bool = False) -> tuple:
    """Mean over `axis`."""
    xp, axes = namespace_of(x), _axes("mean", axis, x.ndim)
    if "float" not in dtype_name(x.dtype):
        raise TypeError(f"mean needs floating-point numbers; got {dtype_name(x.dtype)}. Convert with .to(dtype='float32')")
    count = math.prod(x.shape[a] for a in axes)
    y = xp.mean(x, axis=axes, keepdims=keepdims)
    return y, (lambda dy: (_stretch(dy / count if count else dy, x, axes),)) if needs[0] else None


def _infer_extremum(shapes: Sequence, dtypes: Sequence, *, axis: Any, keepdims: bool) -> tuple:
    axes = _axes("max", axis, len(shapes[0]))
    if any(shapes[0][a] == 0 for a in axes):
        raise ValueError(f"max over an empty axis of an array of shape {tuple(shapes[0])}")
    return _infer_reduction("max")(shapes, dtypes, axis=axis, keepdims=keepdims)


@op(infer=_infer_extremum)
def max(x: Array, *, needs: Sequence[bool], axis: Any = None, keepdims: bool = False) -> tuple:
    """Maximum over `axis`; equal maxima share the gradient equally, as in PyTorch's ``amax``."""
    xp, axes = namespace_of(x), _axes("max", axis, x.ndim)
    y = xp.max(x, axis=axes, keepdims=keepdims)
    if not needs[0]:
        return y, None

    def backward(dy: Array) -> tuple:
        top = xp.astype(x == _stretch(y, x, axes), x.dtype)
        count = xp.sum(top, axis=axes, keepdims=True)
        return (_stretch(dy, x, axes) * top / count,)
    return y, backward


@op(differentiable=0)
def argmax(x: Array, *, needs: Sequence[bool], axis: int | None = None, keepdims: bool = False) -> tuple:
    """Position of the first maximum along `axis`, or in the flattened array."""
    return namespace_of(x).argmax(x, axis=axis, keepdims=keepdims), None


# -- matrix product -----------------------------------------------------------------------------------------------

def _infer_matmul(shapes: Sequence, dtypes: Sequence) -> tuple:
    x, y = (tuple(s) for s in shapes)
    if not x or not y or x[-1] != (y[-2] if len(y) > 1 else y[0]):
        raise ValueError(f"matmul got shapes {x} and {y}: the last axis of the first must equal the second last of the second")
    left = x[:-1] if len(x) > 1 else ()
    right = y[-1:] if len(y) > 1 else ()
    batch = broadcast_shape("matmul", [x[:-2], y[:-2]])
    return (((*batch, *left[-1:], *right), dtypes[0]),)


@op(infer=_infer_matmul)
def matmul(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """Matrix product over the last two axes; the others broadcast."""
    xp = namespace_of(x)
    z = xp.matmul(x, y)
    if not any(needs):
        return z, None

    def backward(dz: Array) -> tuple:
        a = x if x.ndim > 1 else xp.expand_dims(x, axis=0)
        b = y if y.ndim > 1 else xp.expand_dims(y, axis=1)
        if x.ndim == 1:
            dz = xp.expand_dims(dz, axis=-1 if y.ndim == 1 else -2)
        if y.ndim == 1:
            dz = xp.expand_dims(dz, axis=-1)
        dx = dy = None
        if needs[0]:
            dx = xp.reshape(unbroadcast(xp.matmul(dz, xp.matrix_transpose(b)), a), tuple(x.shape))
        if needs[1]:
            dy = xp.reshape(unbroadcast(xp.matmul(xp.matrix_transpose(a), dz), b), tuple(y.shape))
        return dx, dy
    return z, backward


# -- shape changes ------------------------------------------------------------------------------------------------

def _infer_reshape(shapes: Sequence, dtypes: Sequence, *, shape: tuple[int, ...]) -> tuple:
    before, count, product = tuple(shapes[0]), math.prod(shapes[0]), math.prod(shape)
    if product < 0 and count % product == 0 and shape.count(-1) == 1:  # the one -1 makes the product negative
        shape = tuple([count // -product if n == -1 else n for n in shape])
        product = count
    if product != count or (shape and builtins.min(shape) < 0):
        raise ValueError(f"cannot reshape {before} ({count} elements) to {shape}")
    return ((shape, dtypes[0]),)


@op(infer=_infer_reshape)
def reshape(x: Array, *, needs: Sequence[bool], shape: tuple[int, ...]) -> tuple:
    """The same elements, in C order, with another shape."""
    xp, before = namespace_of(x), tuple(x.shape)
    return xp.reshape(x, shape), (lambda dy: (xp.reshape(dy, before),)) if needs[0] else None


def _infer_permute(shapes: Sequence, dtypes: Sequence, *, axes: tuple[int, ...]) -> tuple:
    ndim = len(shapes[0])
    if sorted(a % ndim if ndim else a for a in axes) != list(range(ndim)):
        raise ValueError(f"permute got axes {axes} for an array of shape {tuple(shapes[0])}; each axis must come once")
    return ((tuple(shapes[0][a] for a in axes), dtypes[0]),)


@op(infer=_infer_permute)
def permute(x: Array, *, needs: Sequence[bool], axes: tuple[int, ...]) -> tuple:
    """The axes in another order."""
    xp = namespace_of(x)
    axes = tuple(a % x.ndim for a in axes)
    back = tuple(axes.index(i) for i in range(len(axes)))
    return xp.permute_dims(x, axes), (lambda dy: (xp.permute_dims(dy, back),)) if needs[0] else None


@op
def expand(x: Array, *, needs: Sequence[bool], shape: tuple[int, ...]) -> tuple:
    """Broadcast to `shape`; -1 keeps a size."""
    xp = namespace_of(x)
    extra = len(shape) - x.ndim
    shape = tuple(x.shape[i - extra] if n == -1 else n for i, n in enumerate(shape))
    return xp.broadcast_to(x, shape), (lambda dy: (unbroadcast(dy, x),)) if needs[0] else None


@op
def concat(*arrays: Array, needs: Sequence[bool], axis: int = 0) -> tuple:
    """Arrays joined along an axis that exists."""
    xp = namespace_of(arrays[0])
    axis %= arrays[0].ndim
    joined = xp.concat(list(arrays), axis=axis)
    if not any(needs):
        return joined, None

    def backward(dy: Array) -> tuple:
        dxs, at = [], 0
        for array, needed in zip(arrays, needs):
            index = (slice(None),) * axis + (slice(at, at + array.shape[axis]),)
            at += array.shape[axis]
            dxs.append(dy[index + (slice(None),) * (dy.ndim - axis - 1)] if needed else None)
        return tuple(dxs)
    return joined, backward


@op
def pad(x: Array, *, needs: Sequence[bool], pads: tuple[tuple[int, int], ...], value: float = 0.0) -> tuple:
    """Constant values around each axis; negative amounts take elements away."""
    y = x
    for axis, (before, after) in enumerate(pads):
        if before or after:
            y = pad_axis(y, axis, before, after, value)
    if y is x:
        y = namespace_of(x).asarray(x, copy=True)

    def backward(dy: Array) -> tuple:
        for axis, (before, after) in enumerate(pads):
            if before or after:
                dy = pad_axis(dy, axis, -before, -after)
        return (dy,)
    return y, backward if needs[0] else None


@op
def getitem(x: Array, *, needs: Sequence[bool], index: Any) -> tuple:
    """x[index]: ints, slices, ellipsis, None, an integer array or a mask."""
    entries = index if isinstance(index, tuple) else (index,)
    if all(e is None or e is Ellipsis or isinstance(e, slice | int) for e in entries):
        used = len([e for e in entries if e is not None and e is not Ellipsis])
        if Ellipsis not in entries and used < x.ndim:
            entries = (*entries, Ellipsis)  # the standard wants every axis to be named
        return _slice(x, entries), (lambda dy: (_unslice(dy, tuple(x.shape), entries),)) if needs[0] else None
    return _gather(x, index), (lambda dy: (_scatter_add(dy, x, index),)) if needs[0] else None


def _slice(x: Array, entries: tuple) -> Array:
    """A basic index, with negative steps made of a flip for the libraries that lack them (PyTorch)."""
    if not any(isinstance(e, slice) and e.step is not None and e.step < 0 for e in entries):
        return x[entries]
    at = entries.index(Ellipsis) if Ellipsis in entries else len(entries)
    plain, flipped, axis, shown = [], [], 0, 0
    for i, e in enumerate(entries):
        if i == at:
            skipped = x.ndim - len([f for f in entries if f is not None and f is not Ellipsis])
            axis, shown = axis + skipped, shown + skipped
        elif isinstance(e, slice) and e.step is not None and e.step < 0:
            chosen = range(*e.indices(x.shape[axis]))
            plain.append(slice(chosen[-1], chosen[0] + 1, -e.step) if chosen else slice(0, 0))
            flipped.append(shown)
            axis, shown = axis + 1, shown + 1
            continue
        else:
            axis, shown = axis + (e is not None), shown + (not isinstance(e, int))
        plain.append(e)
    return namespace_of(x).flip(x[tuple(plain)], axis=tuple(flipped))


def _unslice(dy: Array, shape: tuple[int, ...], entries: tuple) -> Array:
    """Put the gradient of a basic index back: zeros around and between."""
    xp = namespace_of(dy)
    used = len([e for e in entries if e is not None and e is not Ellipsis])
    full: list = []
    for e in entries:
        full += [slice(None)] * (len(shape) - used) if e is Ellipsis else [] if e is None else [e]
    dy = xp.reshape(dy, tuple(1 if isinstance(e, int) else len(range(*e.indices(n))) for e, n in zip(full, shape)))
    for axis, (e, n) in enumerate(zip(full, shape)):
        start, step = (e % n, 1) if isinstance(e, int) else e.indices(n)[::2]
        if dy.shape[axis] == 0:
            return xp.zeros(shape, dtype=dy.dtype, device=getattr(dy, "device", None))
        if step < 0:
            dy, start, step = xp.flip(dy, axis=axis), start + step * (dy.shape[axis] - 1), -step
        dy = dilate(dy, axis, step)
        dy = pad_axis(dy, axis, start, n - start - dy.shape[axis])
    return dy


def _gather(x: Array, index: Any) -> Array:
    """An index by arrays: one array of positions along the first axis, a mask, or what else the library has."""
    if hasattr(index, "dtype") and dtype_name(index.dtype) != "bool":
        xp = namespace_of(x)
        taken = xp.take(x, xp.reshape(index, (-1,)), axis=0)
        return xp.reshape(taken, (*index.shape, *x.shape[1:]))
    return x[index]


def _scatter_add(dy: Array, x: Array, index: Any) -> Array:
    """The gradient of an index by arrays: a matrix product with one-hot rows, in blocks of bounded size."""
    xp, device = namespace_of(x), getattr(x, "device", None)
    size = math.prod(x.shape)
    places = xp.reshape(_gather(xp.reshape(xp.arange(size, device=device), tuple(x.shape)), index), (-1,))
    values, everywhere = xp.reshape(dy, (1, -1)), xp.arange(size, device=device)
    total = xp.zeros((1, size), dtype=dy.dtype, device=device)
    count = places.shape[0]
    block = 1 + (1 << 22) // (size + 1)
    for at in range(0, count, block):
        end = builtins.min(at + block, count)
        hot = xp.astype(xp.expand_dims(places[at:end], axis=1) == xp.expand_dims(everywhere, axis=0), dy.dtype)
        total = total + xp.matmul(values[:, at:end], hot)
    return xp.reshape(total, tuple(x.shape))
