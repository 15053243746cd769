"""The functional poolings: the spellings of their arguments."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F


@pytest.fixture
def x():
    return cnnkit.tensor(np.random.default_rng(0).normal(size=(2, 3, 7, 9)))


def equal(a, b):
    np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
@pytest.mark.parametrize(("spelling", "canonical"), [
    ({"kernel_size": 2}, {"kernel_size": (2, 2), "stride": (2, 2)}),
    ({"kernel_size": [3, 2]}, {"kernel_size": (3, 2), "stride": (3, 2)}),
    ({"kernel_size": 3, "stride": 1, "padding": 1},
     {"kernel_size": (3, 3), "stride": (1, 1), "padding": ((1, 1), (1, 1))}),
    ({"kernel_size": 3, "padding": [0, 1]}, {"kernel_size": 3, "padding": ((0, 0), (1, 1))}),
])
def test_arguments_have_several_spellings(x, pool, spelling, canonical):
    for _ in range(2):  # the second time from the cache
        equal(pool(x, **spelling), pool(x, **canonical))


@pytest.mark.parametrize("pool", [F.adaptive_avg_pool2d, F.adaptive_max_pool2d])
def test_an_output_size_has_several_spellings(x, pool):
    equal(pool(x, 2), pool(x, (2, 2)))
    equal(pool(x, [None, 2]), pool(x, (7, 2)))
    assert pool(x, 1).shape == (2, 3, 1, 1)


def test_the_maxima_can_be_found_in_the_image(x):
    for y, indices in (F.max_pool2d(x, 2, return_indices=True),
                       F.adaptive_max_pool2d(x, 3, return_indices=True)):
        images = x.numpy().reshape(2, 3, -1)
        positions = indices.numpy()
        maxima = np.take_along_axis(images, positions.reshape(2, 3, -1), 2)
        np.testing.assert_array_equal(maxima.reshape(positions.shape), y.numpy())
        assert not indices.requires_grad


@pytest.mark.parametrize("pool",
                         [lambda x: F.max_pool2d(x, 2), lambda x: F.max_pool2d(x, 2, return_indices=True)[1],
                          lambda x: F.avg_pool2d(x, 3, 1, 1), lambda x: F.adaptive_avg_pool2d(x, 1),
                          lambda x: F.adaptive_max_pool2d(x, (2, 3))])
def test_one_image_needs_no_batch_axis(x, pool):
    equal(pool(x[1]), pool(x)[1])


@pytest.mark.parametrize(("pool", "arguments", "error", "message"), [
    (F.max_pool2d, {"kernel_size": 0}, ValueError, "kernel_size must be an integer or a pair"),
    (F.max_pool2d, {"kernel_size": 2, "padding": 2}, ValueError, "at most half"),
    (F.max_pool2d, {"kernel_size": 2, "padding": "same"}, TypeError, r"shapes\.pads\('same'"),
    (F.max_pool2d, {"kernel_size": 10}, ValueError, "kernel is larger than the padded input"),
    (F.avg_pool2d, {"kernel_size": 2, "stride": 0}, ValueError, "stride must be an integer or a pair"),
    (F.avg_pool2d, {"kernel_size": 2, "padding": 2}, ValueError, "avg_pool2d got .*at most half"),
    (F.adaptive_avg_pool2d, {"output_size": 0}, ValueError, "output_size must be a positive integer"),
    (F.adaptive_max_pool2d, {"output_size": (1, 2, 3)}, ValueError, "output_size must be a positive integer"),
])
def test_wrong_arguments_are_named(x, pool, arguments, error, message):
    with pytest.raises(error, match=message):
        pool(x, **arguments)


@pytest.mark.parametrize("pool", [F.adaptive_avg_pool2d, F.adaptive_max_pool2d])
def test_an_image_without_pixels_is_refused(pool):
    with pytest.raises(ValueError, match=r"with pixels; got \(1, 1, 0, 3\)"):
        pool(cnnkit.tensor(np.zeros((1, 1, 0, 3))), 1)


def test_numpy_integers_are_sizes_too():
    x = cnnkit.tensor(np.arange(16.0).reshape(1, 1, 4, 4))
    assert F.max_pool2d(x, np.int64(2), np.int64(2)).shape == (1, 1, 2, 2)
    assert F.adaptive_avg_pool2d(x, np.int64(2)).shape == (1, 1, 2, 2)
