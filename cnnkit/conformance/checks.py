"""What is asked of every case: each check is a small function that raises `AssertionError` and says what is wrong.

All checks compare with the loops of `cnnkit.conformance.reference`, or one run with another; none compares an op with
itself. `CHECKS` lists them in the order in which a failure is easiest to understand.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnnkit import backends
from cnnkit.backends import dtype_name
from cnnkit.conformance.case import Case, Expected, expected
from cnnkit.conformance.target import Target
from cnnkit.ops import OPS
from cnnkit.ops.core import Call, compose, run_calls

__all__ = ["CHECKS", "call", "has_kernel"]

Array = Any


# -- calling and comparing ----------------------------------------------------------------------------------------

def call(case: Case, target: Target, arrays: Sequence, needs: Sequence[bool], fused: bool = True) -> tuple[tuple, Callable | None]:
    """Run the case: an op, or a fused key by its kernel (op by op where there is none, or where `fused` is false)."""
    attrs = target.attributes(case)
    if len(case.ops) == 1:
        return OPS[case.ops[0]](*arrays, needs=needs, **attrs[0])
    calls = [Call(OPS[name], values, count) for name, values, count in zip(case.ops, attrs, case.arities)]
    return run_calls(calls, arrays, tuple(needs)) if fused else compose(calls, arrays, needs)


def has_kernel(case: Case, target: Target) -> bool:
    """Whether a kernel table that serves `target` now has the case's op or key."""
    tables = backends.backend_of(target.asarray(np.zeros(1, np.float32))).resolve()
    return bool(tables.single.get(case.ops[0]) if len(case.ops) == 1 else tables.of_chain([OPS[name] for name in case.ops]))


def input_names(case: Case) -> list[str]:
    """What the op calls its arrays."""
    found = []
    for n, (name, count) in enumerate(zip(case.ops, case.arities)):
        parameters = inspect.signature(OPS[name].generic).parameters.values()
        own = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        own = own[n > 0:] or [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]
        found += [own[i] if i < len(own) else f"{own[0]}[{i}]" for i in range(count)]
    return found


def compare(what: str, case: Any, target: Target, actual: Array | None, wanted: np.ndarray | None, dtype: str) -> None:
    """Raise unless `actual` has the wanted shape and values, within the case's tolerance at `dtype`."""
    if actual is None or wanted is None:
        assert actual is None, f"{what} must be None, and is an array of shape {tuple(actual.shape)}"
        assert wanted is None, f"{what} is None, and must be an array of shape {np.shape(wanted)}"
        return
    got = np.asarray(target.to_numpy(actual))
    assert got.shape == np.shape(wanted), f"{what} has shape {got.shape}, and must have {np.shape(wanted)} ({dtype})"
    if got.size == 0:
        return
    rtol, atol = case.tolerance.at(dtype)
    got, wanted = got.astype(np.float64), np.asarray(wanted, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(got - wanted)
        close = (distance <= atol + rtol * np.abs(wanted)) | (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    if not close.all():
        worst = tuple(int(i) for i in np.argwhere(~close)[np.argmax(np.nan_to_num(distance[~close], nan=np.inf))])
        raise AssertionError(f"{what} is wrong at {np.count_nonzero(~close)} of {close.size} places; at {worst} it is "
                             f"{got[worst]:.9g}, and must be {wanted[worst]:.9g} ({dtype}: rtol {rtol:g}, atol {atol:g}; "
                             f"{case.tolerance.reason})")


def compare_gradients(case: Case, target: Target, gradients: Sequence, wanted: Sequence, needs: Sequence[bool], dtype: str) -> None:
    """Raise unless each needed gradient is the wanted one, and every other is ``None``."""
    assert len(gradients) == len(needs), f"backward returned {len(gradients)} gradients for {len(needs)} inputs"
    for name, dx, right, needed in zip(input_names(case), gradients, wanted, needs):
        compare(f"the gradient of {name}", case, target, dx, right if needed else None, dtype)


def bits(target: Target, arrays: Sequence) -> list[bytes | None]:
    """The arrays' exact contents."""
    return [target.to_numpy(a).tobytes() if hasattr(a, "dtype") else None for a in arrays]


def forward_and_back(case: Case, target: Target, right: Expected, dtype: str,
                     change: Callable[[np.ndarray], Array] | None = None) -> None:
    """Run the case on its inputs and dy, `change` saying how their arrays are made; compare everything with the loops."""
    outputs, backward = call(case, target, target.arrays(right.inputs, change), case.needs)
    for n, (output, wanted) in enumerate(zip(outputs, right.outputs)):
        compare(f"output {n}", case, target, output, wanted, dtype)
    if any(case.needs):
        assert backward is not None, "backward is None, although gradients are needed"
        gradients = backward((change or target.asarray)(right.dy))
        compare_gradients(case, target, gradients, right.gradients, case.needs, dtype)


# -- the checks ---------------------------------------------------------------------------------------------------

def check_outputs(case: Case, target: Target) -> None:
    """The outputs are those of the loops."""
    for dtype in target.dtypes(case):
        right = expected(case, dtype)
        outputs, _ = call(case, target, target.arrays(right.inputs), (False,) * len(case.inputs))
        assert len(outputs) == len(right.outputs), f"there are {len(outputs)} outputs, and must be {len(right.outputs)}"
        for n, (output, wanted) in enumerate(zip(outputs, right.outputs)):
            compare(f"output {n}", case, target, output, wanted, dtype)


def check_gradients(case: Case, target: Target) -> None:
    """Every gradient is that of the loops."""
    for dtype in target.dtypes(case):
        forward_and_back(case, target, expected(case, dtype), dtype)


def check_kind(case: Case, target: Target) -> None:
    """Outputs and gradients are arrays of the inputs' library, device and dtype, with the shape that the op foretells."""
    for dtype in target.dtypes(case):
        right = expected(case, dtype)
        arrays = target.arrays(right.inputs)
        outputs, backward = call(case, target, arrays, case.needs)
        gradients = backward(target.asarray(right.dy)) if backward is not None else ()
        first = next(a for a in arrays if hasattr(a, "dtype"))
        for what, array in (*((f"output {n}", o) for n, o in enumerate(outputs)),
                            *((f"the gradient of {n}", g) for n, g in zip(input_names(case), gradients))):
            if array is None:
                continue
            assert isinstance(array, type(first)), f"{what} is a {type(array).__name__}, and must be a {type(first).__name__}"
            assert getattr(array, "device", None) == getattr(first, "device", None), f"{what} is on device {array.device}"
        for name, dx, x in zip(input_names(case), gradients, arrays):
            assert dx is None or dx.dtype == x.dtype, \
                f"the gradient of {name} is {dtype_name(dx.dtype)}, and the input {dtype_name(x.dtype)}"
        if len(case.ops) == 1:
            metas = OPS[case.ops[0]].check(arrays, target.attributes(case)[0]) or ()
            for n, (meta, output) in enumerate(zip(metas, outputs)):
                if meta is not None and meta[1] is not None:
                    told, made = (tuple(meta[0]), dtype_name(meta[1])), (tuple(output.shape), dtype_name(output.dtype))
                    assert told == made, f"output {n} is {made}, and infer foretells {told}"
        elif outputs:
            assert outputs[0].dtype == first.dtype, f"output 0 is {dtype_name(outputs[0].dtype)}, and the input {dtype}"


def check_needs(case: Case, target: Target) -> None:
    """Only the gradients that are needed are made: for each input alone, and no backward at all for none."""
    dtype = target.dtypes(case)[0]
    right = expected(case, dtype)
    _, backward = call(case, target, target.arrays(right.inputs), (False,) * len(case.inputs))
    assert backward is None, "nothing is needed, and yet there is a backward (what does it hold in memory?)"
    for position, needed in enumerate(case.needs):
        if needed:
            needs = tuple(n == position for n in range(len(case.inputs)))
            _, backward = call(case, target, target.arrays(right.inputs), needs)
            assert backward is not None, f"backward is None, although the gradient of {input_names(case)[position]} is needed"
            compare_gradients(case, target, backward(target.asarray(right.dy)), right.gradients, needs, dtype)


def check_views(case: Case, target: Target) -> None:
    """Inputs and dy may have any strides: transposed, channels last, every second element."""
    dtype = target.dtypes(case)[0]
    for view in (target.transposed, target.channels_last, target.strided):
        try:
            forward_and_back(case, target, expected(case, dtype), dtype, view)
        except AssertionError as error:
            raise AssertionError(f"with {view.__name__} arrays, {error}") from None


def check_broadcast_dy(case: Case, target: Target) -> None:
    """A dy with every stride 0 (the gradient of a sum) gives what the same numbers give in full."""
    if not any(case.needs):
        return
    dtype = target.dtypes(case)[0]
    right = expected(case, dtype)
    _, backward = call(case, target, target.arrays(right.inputs), case.needs)
    assert backward is not None
    thin, full = target.broadcast(right.dy.shape, dtype)
    wanted = [None if dx is None else target.to_numpy(dx) for dx in backward(full)]
    try:
        compare_gradients(case, target, backward(thin), wanted, [w is not None for w in wanted], dtype)
    except AssertionError as error:
        raise AssertionError(f"with a broadcast dy, {error}") from None


def check_read_only(case: Case, target: Target) -> None:
    """Inputs and dy may be read-only (where the library knows such arrays)."""
    dtype = target.dtypes(case)[0]
    if target.frozen(np.zeros(1, np.float32)) is None:
        return
    try:
        forward_and_back(case, target, expected(case, dtype), dtype, target.frozen)
    except (ValueError, TypeError, BufferError) as error:
        raise AssertionError(f"with read-only arrays: {type(error).__name__}: {error}") from error


def check_unchanged(case: Case, target: Target) -> None:
    """Neither forward nor backward writes into the inputs or into dy."""
    dtype = target.dtypes(case)[0]
    right = expected(case, dtype)
    arrays, dy = target.arrays(right.inputs), target.asarray(right.dy)
    before = bits(target, (*arrays, dy))
    _, backward = call(case, target, arrays, case.needs)
    for step in ("forward", "backward"):
        for name, old, new in zip((*input_names(case), "dy"), before, bits(target, (*arrays, dy))):
            assert old == new, f"{step} wrote into {name}"
        if backward is not None and step == "forward":
            backward(dy)


def check_repeatable(case: Case, target: Target) -> None:
    """Two runs give the same bits, and so does a second backward of one run."""
    dtype = target.dtypes(case)[0]
    right = expected(case, dtype)
    runs = []
    for _ in range(2):
        outputs, backward = call(case, target, target.arrays(right.inputs), case.needs)
        gradients = backward(target.asarray(right.dy)) if backward is not None else ()
        runs.append(bits(target, (*outputs, *gradients)))
    assert runs[0] == runs[1], "two runs on the same numbers gave different bits"
    if backward is not None:
        again = bits(target, (*outputs, *backward(target.asarray(right.dy))))
        assert again == runs[1], "a second backward (retain_graph=True) gave different bits"


def check_independent(case: Case, target: Target) -> None:
    """Results belong to their call: a second call with other numbers changes neither outputs nor gradients of the first."""
    dtype = target.dtypes(case)[0]
    right = expected(case, dtype)
    others = tuple(np.roll(v, 1) if isinstance(v, np.ndarray) else v for v in right.inputs)
    dy = target.asarray(right.dy)
    first, first_back = call(case, target, target.arrays(right.inputs), case.needs)
    outputs = bits(target, first)
    gradients = first_back(dy) if first_back is not None else ()
    plain = bits(target, gradients)
    _, back = call(case, target, target.arrays(others), case.needs)
    if back is not None:
        back(target.asarray(np.roll(right.dy, 1)))
    assert bits(target, first) == outputs, "a second call changed the outputs of the first"
    assert bits(target, gradients) == plain, "a second call changed gradients that the first had returned"
    if first_back is not None:
        assert bits(target, first_back(dy)) == plain, "a second call changed what the first backward computes"


def check_generic(case: Case, target: Target) -> None:
    """The kernel's results have the shapes, dtypes and values (NaN included) of the generic op's."""
    if len(case.ops) > 1 or not has_kernel(case, target):
        return
    _check_same(case, target, "the generic op", generic=True)


def check_fused(case: Case, target: Target) -> None:
    """A fused kernel's results are those of its ops one after the other."""
    if len(case.ops) == 1 or not has_kernel(case, target):
        return
    _check_same(case, target, "the ops one by one", generic=False)


def _check_same(case: Case, target: Target, other: str, generic: bool) -> None:
    for dtype in target.dtypes(case):
        right = expected(case, dtype)
        results = []
        for plain in (False, True):
            if plain and generic:
                with backends.tables():
                    outputs, backward = call(case, target, target.arrays(right.inputs), case.needs, not plain)
            else:
                outputs, backward = call(case, target, target.arrays(right.inputs), case.needs, not plain)
            results.append([*outputs, *(backward(target.asarray(right.dy)) if backward is not None else ())])
        names = [*(f"output {n}" for n in range(len(outputs))), *(f"the gradient of {n}" for n in input_names(case))]
        for name, mine, theirs in zip(names, *results):
            compare(f"beside {other}, {name}", case, target, mine, None if theirs is None else target.to_numpy(theirs), dtype)
            assert mine is None or mine.dtype == theirs.dtype, \
                f"{name} is {dtype_name(mine.dtype)}, and that of {other} {dtype_name(theirs.dtype)}"


def check_directional(case: Case, target: Target) -> None:
    """A second opinion on the generic backward: dy · dY along a random direction, by central differences in float64.

    Where the output itself is NaN (the mean over no sample) there is no slope to compare.
    """
    if not case.smooth or not any(case.needs) or not target.has("float64"):
        return
    right, random, step = expected(case, "float64"), np.random.RandomState(0), 1e-5
    needs = case.needs
    direction = [random.standard_normal(np.shape(v)) if n else None for v, n in zip(right.inputs, needs)]

    def along(amount: float) -> float:
        moved = tuple(v if d is None else np.asarray(v + amount * d) for v, d in zip(right.inputs, direction))
        outputs, _ = call(case, target, target.arrays(moved), (False,) * len(needs))
        return float(np.sum(target.to_numpy(outputs[0]) * right.dy))

    with backends.tables():
        _, backward = call(case, target, target.arrays(right.inputs), needs)
        assert backward is not None
        gradients = backward(target.asarray(right.dy))
        slope = sum(float(np.sum(target.to_numpy(g) * d)) for g, d in zip(gradients, direction) if d is not None)
        measured = (along(step) - along(-step)) / (2 * step)
    assert np.isnan(measured) or abs(slope - measured) <= 1e-6 * (1 + abs(slope)), \
        f"along one direction the gradients say {slope:.9g}, and finite differences {measured:.9g}"


CHECKS = (check_outputs, check_gradients, check_kind, check_needs, check_views, check_broadcast_dy, check_read_only,
          check_unchanged, check_repeatable, check_independent, check_generic, check_fused, check_directional)
