"""A convolution is a dense layer with connections removed and weights shared."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import nn, optim
from cnnkit.inspection import conv_as_matrix

RNG = np.random.default_rng(0)
SETTINGS = [
    {}, {"stride": 2}, {"padding": 1}, {"dilation": 2}, {"padding": "same"}, {"padding": "same", "stride": 2},
    {"padding": ((0, 2), (1, 0)), "stride": (1, 3)},
    {"dilation": (1, 2), "padding": (2, 1), "stride": (2, 1)}]
settings = pytest.mark.parametrize("setting", SETTINGS, ids=str)


def case(setting, channels=2):
    weight = cnnkit.tensor(RNG.standard_normal((3, channels, 3, 2)), requires_grad=True)
    x = cnnkit.tensor(RNG.standard_normal((4, channels, 7, 6)))
    return weight, x, conv_as_matrix(weight, (channels, 7, 6), **setting)


@settings
def test_the_dense_layer_gives_the_convolutions_result(setting):
    weight, x, dense = case(setting)
    expected = F.conv2d(x, weight, **setting)
    np.testing.assert_allclose(dense(x).numpy(), expected.numpy(), rtol=1e-12)
    assert dense.output_shape == expected.shape[1:]


@settings
def test_the_index_map_says_which_weight_each_connection_is(setting):
    weight, _, dense = case(setting)
    shared = np.append(weight.numpy().reshape(-1), 0.0)  # -1, a removed connection, takes the 0
    np.testing.assert_array_equal(dense.matrix.numpy(), shared[dense.index])


@settings
def test_kept_removed_and_distinct_count_the_index_map(setting):
    *_, dense = case(setting)
    assert dense.kept == (dense.index >= 0).sum()
    assert dense.removed == (dense.index < 0).sum()
    assert dense.distinct == len(np.unique(dense.index[dense.index >= 0]))


@settings
def test_the_tied_dense_layer_has_the_convolutions_gradient(setting):
    weight, x, dense = case(setting)
    y = F.conv2d(x, weight, **setting)
    dy = cnnkit.tensor(RNG.standard_normal(y.shape))
    y.backward(dy)
    expected, weight.grad = weight.grad.numpy(), None
    dense(x).backward(dy)
    np.testing.assert_allclose(weight.grad.numpy(), expected, rtol=1e-12, atol=1e-12)


@settings
def test_tie_sums_the_gradients_of_the_connections_that_share_a_weight(setting):
    *_, dense = case(setting)
    gradient = RNG.standard_normal(dense.matrix.shape)
    expected = np.zeros(dense.weight.numel())
    np.add.at(expected, dense.index[dense.index >= 0], gradient[dense.index >= 0])
    np.testing.assert_allclose(dense.tie(gradient).numpy().reshape(-1), expected, rtol=1e-12, atol=1e-12)


def dense_gradient(dense, x, dy):
    """The gradient of the dense layer's own matrix, nothing shared and nothing removed."""
    matrix = cnnkit.tensor(dense.matrix.numpy(), requires_grad=True)
    (x.flatten(1) @ matrix.T).backward(dy.flatten(1))
    return matrix.grad


@settings
def test_one_sgd_step_on_the_tied_dense_layer_is_the_convolutions(setting):
    weight, x, dense = case(setting)
    filters = nn.Parameter(weight.numpy().copy())
    y = F.conv2d(x, filters, **setting)
    dy = cnnkit.tensor(RNG.standard_normal(y.shape))
    y.backward(dy)
    optim.SGD([filters], lr=0.1).step()

    stepped = weight.detach() - 0.1 * dense.tie(dense_gradient(dense, x, dy))
    np.testing.assert_allclose(conv_as_matrix(stepped, dense.input_shape, **setting).matrix.numpy(),
                               conv_as_matrix(filters, dense.input_shape, **setting).matrix.numpy(),
                               rtol=1e-12, atol=1e-12)


def test_an_sgd_step_on_the_free_dense_layer_is_no_convolution():
    _, x, dense = case({})
    dy = cnnkit.tensor(RNG.standard_normal((4, *dense.output_shape)))
    stepped = (dense.matrix.detach() - 0.1 * dense_gradient(dense, x, dy)).numpy()
    assert (stepped[dense.index < 0] != 0).any()
    assert len(np.unique(stepped[dense.index == 0])) > 1


def test_a_3x3_convolution_of_mnist_keeps_one_connection_in_87():
    dense = conv_as_matrix(np.ones((8, 1, 3, 3)), (1, 28, 28))
    assert dense.matrix.shape == (8 * 26 * 26, 28 * 28)
    assert (dense.kept, dense.removed, dense.distinct) == (48_672, 4_191_200, 72)


def test_a_tap_that_only_meets_padding_is_not_counted():
    assert conv_as_matrix(np.ones((1, 1, 3, 3)), (1, 1, 1), padding=1).distinct == 1


def test_every_library_gives_the_same_matrix(backend):
    weight, image = (RNG.standard_normal((3, 2, 3, 2)).astype("float32"),
                     RNG.standard_normal((4, 2, 7, 6)).astype("float32"))
    with cnnkit.use("numpy"):
        expected = conv_as_matrix(weight, (2, 7, 6), padding=1)
        y = expected(image).numpy()
    dense = conv_as_matrix(backend.asarray(weight), (2, 7, 6), padding=1)
    assert repr(dense) == repr(expected)
    np.testing.assert_array_equal(dense.matrix.numpy(), expected.matrix.numpy())
    np.testing.assert_array_equal(backend.to_numpy(dense.index), expected.index)
    np.testing.assert_allclose(dense(backend.asarray(image)).numpy(), y, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dense.tie(dense.matrix).numpy(),
                               expected.tie(expected.matrix).numpy(), rtol=1e-4)


def test_images_of_another_size_say_which_size_the_matrix_takes():
    with pytest.raises(ValueError, match=r"takes images of shape \(N, 2, 7, 6\); got \(4, 2, 6, 6\)"):
        case({})[2](np.ones((4, 2, 6, 6)))


@pytest.mark.parametrize("shape", [(1, 2, 7, 6), (7, 6)])
def test_the_shape_is_that_of_one_image(shape):
    with pytest.raises(ValueError, match=r"takes the shape \(C, H, W\) of one image"):
        conv_as_matrix(np.ones((3, 2, 3, 3)), shape)
