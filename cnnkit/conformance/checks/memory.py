"""Checks of an op's arrays in memory: any strides, read-only ones, and no input that is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnkit.conformance.checks.calling import arrays_of, call, input_names
from cnnkit.conformance.checks.comparing import bits, compare_gradients, forward_and_back
from cnnkit.conformance.expected import expected

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.op import OpCase
    from cnnkit.conformance.target import Target

__all__ = ["check_broadcast_dy", "check_read_only", "check_unchanged", "check_views"]


def check_views(case: OpCase, target: Target) -> None:
    """Inputs and dy may have any strides: transposed, channels last, every second element."""
    dtype = target.dtypes(case)[0]
    for view in (target.transposed, target.channels_last, target.strided):
        try:
            forward_and_back(case, target, expected(case, dtype), dtype, view)
        except AssertionError as error:
            raise AssertionError(f"with {view.__name__} arrays, {error}") from None


def check_broadcast_dy(case: OpCase, target: Target) -> None:
    """A dy with every stride 0 (the gradient of a sum) gives what the same numbers give in full."""
    if not any(case.needs):
        return
    dtype = target.dtypes(case)[0]
    truth = expected(case, dtype)
    _, backward = call(case, target, arrays_of(case, target, truth.inputs), case.needs)
    assert backward is not None
    broadcast, full = target.broadcast(truth.dy.shape, dtype)
    expected_dxs = [None if dx is None else target.to_numpy(dx) for dx in backward(full)]
    needs = [dx is not None for dx in expected_dxs]
    try:
        compare_gradients(case, target, backward(broadcast), expected_dxs, needs, dtype)
    except AssertionError as error:
        raise AssertionError(f"with a broadcast dy, {error}") from None


def check_read_only(case: OpCase, target: Target) -> None:
    """Inputs and dy may be read-only (where the library knows such arrays)."""
    dtype = target.dtypes(case)[0]
    if target.frozen(np.zeros(1, np.float32)) is None:
        return
    try:
        forward_and_back(case, target, expected(case, dtype), dtype, target.frozen)
    except (ValueError, TypeError, BufferError) as error:
        raise AssertionError(f"with read-only arrays: {type(error).__name__}: {error}") from error


def check_unchanged(case: OpCase, target: Target) -> None:
    """Neither forward nor backward writes into the inputs or into dy."""
    dtype = target.dtypes(case)[0]
    truth = expected(case, dtype)
    arrays, dy = arrays_of(case, target, truth.inputs), target.asarray(truth.dy)
    before = bits(target, (*arrays, dy))
    _, backward = call(case, target, arrays, case.needs)
    for step in ("forward", "backward"):
        for name, old, new in zip((*input_names(case), "dy"), before, bits(target, (*arrays, dy))):
            assert old == new, f"{step} wrote into {name}"
        if backward is not None and step == "forward":
            backward(dy)
