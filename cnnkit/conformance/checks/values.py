"""Checks of what a call of an op returns: values of outputs and gradients, their kind, and which are None."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnkit.backends import dtype_name
from cnnkit.conformance.checks.calling import arrays_of, call, input_names
from cnnkit.conformance.checks.comparing import compare, compare_gradients, forward_and_back
from cnnkit.conformance.expected import expected
from cnnkit.ops import OPS

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.op import OpCase
    from cnnkit.conformance.target import Target

__all__ = ["check_gradients", "check_kind", "check_needs", "check_outputs"]


def check_outputs(case: OpCase, target: Target) -> None:
    """The outputs are those of the loops."""
    for dtype in target.dtypes(case):
        truth = expected(case, dtype)
        outputs, _ = call(case, target, arrays_of(case, target, truth.inputs), (False,) * len(case.inputs))
        assert len(outputs) == len(truth.outputs), \
            f"there are {len(outputs)} outputs, and must be {len(truth.outputs)}"
        for n, (output, reference) in enumerate(zip(outputs, truth.outputs)):
            compare(f"output {n}", case, target, output, reference, dtype)


def check_gradients(case: OpCase, target: Target) -> None:
    """Every gradient is that of the loops."""
    for dtype in target.dtypes(case):
        forward_and_back(case, target, expected(case, dtype), dtype)


def check_kind(case: OpCase, target: Target) -> None:
    """Results are arrays of the inputs' library, device and dtype, with the shape that the op foretells."""
    for dtype in target.dtypes(case):
        truth = expected(case, dtype)
        arrays = arrays_of(case, target, truth.inputs)
        outputs, backward = call(case, target, arrays, case.needs)
        gradients = backward(target.asarray(truth.dy)) if backward is not None else ()
        first = next(a for a in arrays if hasattr(a, "dtype"))
        for label, array in (*((f"output {n}", o) for n, o in enumerate(outputs)),
                             *((f"the gradient of {n}", g) for n, g in zip(input_names(case), gradients))):
            if array is None:
                continue
            assert isinstance(array, type(first)), \
                f"{label} is a {type(array).__name__}, and must be a {type(first).__name__}"
            assert getattr(array, "device", None) == getattr(first, "device", None), \
                f"{label} is on device {array.device}"
        for name, dx, x in zip(input_names(case), gradients, arrays):
            assert dx is None or dx.dtype == x.dtype, \
                f"the gradient of {name} is {dtype_name(dx.dtype)}, and the input {dtype_name(x.dtype)}"
        if len(case.ops) == 1:
            metas = OPS[case.ops[0]].check(arrays, target.attributes(case)[0]) or ()
            for n, (meta, output) in enumerate(zip(metas, outputs)):
                if meta is not None and meta[1] is not None:
                    inferred = tuple(meta[0]), dtype_name(meta[1])
                    actual = tuple(output.shape), dtype_name(output.dtype)
                    assert inferred == actual, f"output {n} is {actual}, and infer foretells {inferred}"
        elif outputs:
            assert outputs[0].dtype == first.dtype, \
                f"output 0 is {dtype_name(outputs[0].dtype)}, and the input {dtype}"


def check_needs(case: OpCase, target: Target) -> None:
    """Only needed gradients are computed, for each input alone; where none is needed there is no backward."""
    dtype = target.dtypes(case)[0]
    truth = expected(case, dtype)
    _, backward = call(case, target, arrays_of(case, target, truth.inputs), (False,) * len(case.inputs))
    assert backward is None, "nothing is needed, and yet there is a backward (what does it hold in memory?)"
    for position, needed in enumerate(case.needs):
        if needed:
            needs = tuple(n == position for n in range(len(case.inputs)))
            _, backward = call(case, target, arrays_of(case, target, truth.inputs), needs)
            assert backward is not None, \
                f"backward is None, although the gradient of {input_names(case)[position]} is needed"
            compare_gradients(case, target, backward(target.asarray(truth.dy)), truth.gradients, needs, dtype)
