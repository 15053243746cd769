"""NumPy's kernel for random bits: its blocks, and the counter's carry."""

import numpy as np
import pytest
from cnnkit_numpy import random as kernel

from cnnkit import backends, random


def generic(key, first, count):
    with backends.tables():
        return random.draws.words(np, key, first, count, None)


@pytest.mark.parametrize("count",
                         [2 * kernel.BLOCK - 1, 2 * kernel.BLOCK, 2 * kernel.BLOCK + 1, 6 * kernel.BLOCK + 5])
def test_blocks_join_without_a_seam(count):
    assert np.array_equal(kernel.random_bits((12, 34), (count,)), generic((12, 34), 0, count))


@pytest.mark.parametrize("first", [2**32 - 7, 2**32 - kernel.BLOCK, 2**32 - kernel.BLOCK - 1,
                                   5 * 2**32 - 1, 2**40 + 3])
def test_a_block_never_straddles_two_high_words(first):
    count = 4 * kernel.BLOCK
    words = np.empty(count, np.uint32)
    kernel.fill(words, (2**32 - 1, 2**31), first)
    assert np.array_equal(words.view(np.int32), generic((2**32 - 1, 2**31), first, count))


@pytest.mark.parametrize("shape", [(), (1,), (3,), (0,), (2, 0), (5, 3)])
def test_every_shape_gives_a_writable_contiguous_int32_array(shape):
    bits = kernel.random_bits((0, 0), shape, "cpu")
    assert type(bits) is np.ndarray
    assert (bits.shape, bits.dtype) == (shape, np.int32)
    assert bits.flags.c_contiguous
    assert bits.flags.writeable


def test_another_device_is_refused():
    with pytest.raises(ValueError, match="Device not understood"):
        kernel.random_bits((0, 0), (3,), "gpu")
