"""Which tile and slices a convolution gets, and where vectors are read."""

import re
from types import SimpleNamespace

import pytest
from cnnkit_cupy import conv, conv_tiles
from cnnkit_cupy.launcher import KERNELS, instances
from cnnkit_cupy.sources import source

NCHW, NHWC = (3, 2, 1, 0), (1, 3, 2, 0)


def test_a_tile_is_what_the_source_says():
    for name, tile in {**conv.TILINGS, **conv_tiles.WEIGHT_TILINGS}.items():
        numbers = re.search(rf"using {name} = Tiling<([\d, ]+)>;", source("conv")).group(1)
        assert tuple(map(int, numbers.split(","))) == (tile.rows, tile.columns, tile.rows_each,
                                                       tile.columns_each, tile.taps)
    for name in instances("conv"):
        if tiled := re.search(r"<\w+, (\w+),", name):
            threads = {**conv.TILINGS, **conv_tiles.WEIGHT_TILINGS}[tiled.group(1)].threads
            assert KERNELS[name].block == (threads, 1, 1)
            assert KERNELS[name].launch_bounds == (threads, 512 // threads)


def test_a_place_is_as_large_as_the_host_says():
    axes, pixel, rows = 2 * 9 * 4, 3 * 4, 8
    assert axes + pixel + 4 + rows == conv_tiles.PLACE  # 4: the group


def test_a_tile_grows_with_the_filters_and_shrinks_where_there_are_few_pixels():
    assert [conv.tiling(10**6, K, 1).name for K in (1, 32, 33, 64, 1000)] == ["Small", "Small", "Narrow",
                                                                              "Narrow", "Large"]
    assert conv.tiling(1, 128, 1).name == conv.tiling(64 * 64, 128, 1).name == "Small"


def test_slices_depend_on_shapes_and_leave_numbers_that_an_int_holds():
    assert conv.slices(1, 10**8, 1) == 256
    assert conv.slices(1, 10, 1) == 1
    assert conv.slices(10**4, 10**8, 1) == 1
    assert conv.slices(1, 10**6, 60000) == 1
    assert conv.slices(10**4, 3 * 2**30, 1) == 3


class Anywhere:
    """A device whose arrays begin where they say."""

    @staticmethod
    def address(array):
        return array.begin


def described(shape, order, begin=0, size=4, step=1):
    """What `reading` asks of an array: shape and strides of a view of memory in this order."""
    strides, n = [0] * 4, size * step
    for axis in order:
        strides[axis] = n
        n *= shape[axis]
    return SimpleNamespace(shape=shape, strides=tuple(strides),
                           dtype=SimpleNamespace(itemsize=size), begin=begin)


@pytest.mark.parametrize(("array", "channels", "how"), [
    (described((2, 8, 5, 5), NHWC), 8, "vector"),
    (described((2, 8, 5, 5), NHWC), 4, "vector"),
    (described((2, 8, 5, 5), NHWC), 2, "scalar"),
    (described((2, 8, 5, 5), NCHW), 8, "scalar"),
    (described((2, 8, 5, 5), NHWC, begin=8), 8, "scalar"),
    (described((2, 6, 5, 5), NHWC), 6, "scalar"),
    (described((2, 8, 5, 5), NHWC, step=2), 8, "scalar"),
    (described((2, 8, 5, 5), NHWC, size=2), 8, "vector"),
    (described((2, 4, 5, 5), NHWC, size=2), 4, "scalar"),
    (described((1, 4, 2**15, 2**14), NHWC), 4, "scalar"),  # 2^31 elements in an image
    (described((64, 4, 2**13, 2**13), NHWC), 4, "vector"),  # in the batch
    (SimpleNamespace(shape=(1, 8, 1, 5), strides=(3, 4, 5, 32),
                     dtype=SimpleNamespace(itemsize=4), begin=0), 8, "vector"),
], ids=str)
def test_vectors_are_read_where_channels_are_neighbours_and_aligned(array, channels, how):
    assert conv.reading(Anywhere, array, channels, array.shape[2:]) == how
