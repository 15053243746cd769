"""The checks of pixels looked up in a table of values: the numbers of NumPy's indexing, to the bit.

Where no kernel serves the batch (`look_up` gives ``None``) there is nothing to check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnkit.backends import dtype_name
from cnnkit.conformance.reference.look_up import look_up as reference
from cnnkit.data.pixels import look_up

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.look_up import LookUpCase
    from cnnkit.conformance.target import Target

__all__ = ["LOOK_UP_CHECKS"]


def same_bits(target: Target, result: Any, images: np.ndarray, values: np.ndarray) -> None:
    """Raise unless `result` holds the float32 numbers of plain indexing."""
    got, expected = target.to_numpy(result), reference(images, values)
    assert got.shape == expected.shape, f"the shape is {got.shape}, and must be {expected.shape}"
    wrong = np.argwhere(got.view(np.uint32) != expected.view(np.uint32))
    if len(wrong):
        worst = tuple(int(i) for i in wrong[0])
        raise AssertionError(f"{len(wrong)} of {got.size} pixels are wrong; the one at {worst} is "
                             f"{got[worst]:.9g}, and must be {expected[worst]:.9g}, to the bit")


def check_looked_up(case: LookUpCase, target: Target) -> None:
    """The result is a float32 array (N, C, H, W) of the backend, and holds each channel's values."""
    images, values = case.drawn()
    result = look_up(images, values, target.backend)
    if result is None:
        return
    kind = type(target.asarray(np.zeros(1, np.float32)))
    assert isinstance(result, kind), \
        f"the result is a {type(result).__name__}, and must be a {kind.__name__}"
    assert dtype_name(result.dtype) == "float32", \
        f"the result is {dtype_name(result.dtype)}, and must be float32"
    same_bits(target, result, images, values)


def every_second(array: np.ndarray) -> np.ndarray:
    """The same numbers, as every second element of a larger array with other numbers between."""
    wide = np.stack([array[..., ::-1], array], axis=-1)
    return wide.reshape(*array.shape[:-1], 2 * array.shape[-1])[..., 1::2]


def backwards(array: np.ndarray) -> np.ndarray:
    """The same numbers, with their last axis in reverse order in memory."""
    return np.ascontiguousarray(array[..., ::-1])[..., ::-1]


def transposed(array: np.ndarray) -> np.ndarray:
    """The same numbers, with their axes in reverse order in memory."""
    return np.asfortranarray(array)


def frozen(array: np.ndarray) -> np.ndarray:
    """The same numbers, in memory that cannot be written (a data set that is mapped from a file)."""
    array = array.copy()
    array.flags.writeable = False
    return array


VIEWS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (every_second, backwards, transposed, frozen)


def check_looked_up_views(case: LookUpCase, target: Target) -> None:
    """Images and values may have any strides, and may be read-only."""
    images, values = case.drawn()
    for view in VIEWS:
        result = look_up(view(images), view(values), target.backend)
        if result is not None:
            try:
                same_bits(target, result, images, values)
            except AssertionError as error:
                raise AssertionError(f"with {view.__name__} arrays, {error}") from None


def check_looked_up_unchanged(case: LookUpCase, target: Target) -> None:
    """Neither images nor values are written."""
    images, values = case.drawn()
    before = images.copy(), values.copy()
    look_up(images, values, target.backend)
    assert images.tobytes() == before[0].tobytes(), "the images were written"
    assert values.tobytes() == before[1].tobytes(), "the values were written"


def check_looked_up_independent(case: LookUpCase, target: Target) -> None:
    """A batch belongs to its call: neither a later one nor a change of its inputs changes it."""
    images, values = case.drawn()
    first = look_up(images, values, target.backend)
    if first is None:
        return
    before = target.to_numpy(first)
    look_up(255 - images, values, target.backend)
    assert target.to_numpy(first).tobytes() == before.tobytes(), "a second batch changed the first"
    images[...], values[...] = 0, 0
    assert target.to_numpy(first).tobytes() == before.tobytes(), "the batch changed with its inputs"


LOOK_UP_CHECKS = (check_looked_up, check_looked_up_views, check_looked_up_unchanged,
                  check_looked_up_independent)
