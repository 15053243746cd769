"""Calls of several parts of a batch as one: an image's bits do not depend on how many images there are."""

import itertools

import numpy as np
import pytest
from cnnkit_cpu import choice, layout, library
from cnnkit_cpu.channels_last import make_plan
from cnnkit_cpu.finish import RELU_FUNCTION, Finish
from cnnkit_cpu.together import FUNCTIONS

from cnnkit.shapes import conv_output_shape

PARTS = 3
SHAPES = [  # images of a part, channels, size, filters, kernel, stride, padding, dilation
    (2, 16, (7, 5), 24, 3, 1, 1, 1), (1, 64, (16, 16), 64, 3, 1, 1, 1), (5, 20, (9, 6), 33, 3, 1, 0, 2),
    (1, 256, (4, 4), 256, 3, 1, 1, 1),  # whose transformed filters are not kept
    (4, 17, (8, 8), 16, 3, 2, 1, 1), (2, 32, (5, 9), 48, 1, 2, 0, 1), (3, 3, (12, 12), 32, 5, 1, 2, 1)]


def plan_of(count, x, size, K, kernel, stride, padding, dilation, name):
    conv = {"stride": (stride,) * 2, "padding": ((padding,) * 2,) * 2, "dilation": (dilation,) * 2,
            "groups": 1}
    shape, weight = (count, x, *size), (K, x, kernel, kernel)
    with choice.algorithm(name):
        y = conv_output_shape(shape, weight, *conv.values())
        return make_plan(library.active, shape, weight, y, conv, "", False, True)


@pytest.mark.parametrize("name", ["product", "winograd2", "winograd4"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_images_bits_do_not_depend_on_how_many_there_are(forced, shape, name):
    n, C, _, K, kernel, *_ = shape
    part, together = (plan_of(count, *shape[1:], name) for count in (n, n * PARTS))
    rng = np.random.default_rng(0)
    x, dy = (layout.to_channels_last(rng.standard_normal(s, dtype=np.float32))
             for s in (together.x, together.shape))
    weight = rng.standard_normal((K, C, kernel, kernel), dtype=np.float32)
    bias, finish = rng.standard_normal(K, dtype=np.float32), Finish(None, RELU_FUNCTION)
    y, dx = together.forward(x, weight, None, bias, finish), together.input_gradient(dy, weight)
    for begin, end in itertools.pairwise(range(0, n * PARTS + 1, n)):
        assert part.forward(x[begin:end], weight, None, bias, finish).tobytes() == y[begin:end].tobytes()
        assert part.input_gradient(dy[begin:end], weight).tobytes() == dx[begin:end].tobytes()


def test_functions_that_are_called_together_are_those_that_take_each_image_by_itself():
    assert {name.partition("_")[2] for name in FUNCTIONS} == {"forward", "input_gradient"}
