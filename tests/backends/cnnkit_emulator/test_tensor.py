"""Tensor cores and asynchronous copies on the emulator: products beside float64, and what it finds."""

import numpy as np
import pytest
from cnnkit_emulator.device import KernelFault, counted, schedule, traced
from tensor_cores import COPIED, NAMES, SOURCE, TYPES, X, matrices

from cnnkit import backends

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)

def launch(name, inputs, outputs, *numbers, threads=32):
    """The outputs, whose shapes and dtypes are given, as NumPy arrays."""
    emulator = backends.get("emulator")
    made = [emulator.cuda.empty(shape, dtype) for shape, dtype in outputs]
    arguments = [*map(emulator.asarray, inputs), *made, *(np.array([n], np.int32) for n in numbers)]
    written = [len(inputs) <= i < len(inputs) + len(made) for i in range(len(arguments))]
    emulator.cuda.run(SOURCE, NAMES, name, (1, 1, 1), (threads, 1, 1), arguments, written)
    return [emulator.to_numpy(array) for array in made]


def copy(open_groups=0, shift=0, remainder=0, name="copies"):
    y, = launch(name, [X], [((256,), "float32")], open_groups, shift, remainder)
    return y.reshape(64, 4)


@pytest.mark.parametrize("how", ["true", "false"], ids=["ldmatrix", "words"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_warp_multiplies_as_float64_does(dtype, how):
    kind = pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else np.dtype(dtype).type
    a, b, expected = matrices(dtype, kind)
    c, = launch(f"product<{TYPES[dtype]}, {how}>", [a, b], [((16, 16), "float32")])
    np.testing.assert_allclose(c, expected, rtol=3e-7, atol=3e-7)


def test_ldmatrix_gives_the_words_of_the_manuals_figure():
    x = np.arange(256, dtype=np.uint16).reshape(4, 8, 8)
    straight, turned = launch("matrices", [x], [((4, 32), "uint32")] * 2)
    np.testing.assert_array_equal(straight.view(np.uint16).reshape(4, 8, 8), x)
    np.testing.assert_array_equal(turned.view(np.uint16).reshape(4, 8, 8), x.transpose(0, 2, 1))
    with counted() as launches:
        launch("matrices", [x], [((4, 32), "uint32")] * 2)
    assert launches[0].shared_loads == 1


def test_copies_are_there_once_their_group_has_been_waited_for():
    for order in (("in order", 0), ("reversed", 0), ("skewed", 3)):
        with schedule(*order), traced():
            np.testing.assert_array_equal(copy(1), COPIED)
            np.testing.assert_array_equal(copy(0), COPIED)


def test_copies_that_were_not_waited_for_are_nan_and_found():
    assert np.isnan(copy(2)[:32]).any()
    message = r"reads shared memory at tensor\.cu:\d+.*, whose copy by cp\.async thread \d+ .* has not waited"
    with traced("races"), pytest.raises(KernelFault, match=message):
        copy(2)


def test_copies_move_whole_sectors_and_use_every_bank():
    with counted() as launches:
        copy()
    assert (launches[0].loads, launches[0].shared_stores) == (1, 1)


@pytest.mark.parametrize(("arguments", "message"), [
    ((0, 1), r"misaligned: thread \d+ of block 0 copies by cp.async at .* from an address"),
    ((0, 0, 1), r"misaligned: thread \d+ of block 0 copies by cp.async at .* to an address"),
    ((0, 0, 0, "to_an_array"), "copies to what is not shared memory"),
    ((0, 0, 0, "part_of_a_warp"), "divergent warp barrier"),
], ids=["source", "target", "array", "warp"])
def test_what_a_gpu_would_not_forgive_is_a_fault(arguments, message):
    with pytest.raises(KernelFault, match=message):
        copy(*arguments)


def test_a_warp_that_is_not_whole_has_no_products():
    emulator = backends.get("emulator")
    arguments = [emulator.asarray(X), emulator.cuda.empty((4,), "float32"),
                 *[np.array([1], np.int32)] * 3]
    with pytest.raises(KernelFault, match=r"a warp of less than 32 lanes, and at tensor\.cu"):
        emulator.cuda.run(SOURCE, NAMES, "part_of_a_warp", (1, 1, 1), (40, 1, 1), arguments,
                          [False, True, False, False, False])


def test_a_copy_that_begins_before_others_have_read_is_found():
    with traced("races"):
        copy(0, 1, name="begun_while_others_read")
        with pytest.raises(KernelFault, match=r"race: .* writes|whose copy by cp\.async"):
            copy(0, 0, name="begun_while_others_read")
