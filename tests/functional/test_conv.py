"""`functional.conv2d`: the spellings of its arguments."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def x(rng):
    return cnnkit.tensor(rng.normal(size=(2, 4, 7, 9)))


@pytest.fixture
def weight(rng):
    return cnnkit.tensor(rng.normal(size=(6, 4, 3, 3)), requires_grad=True)


def equal(a, b):
    np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize(("spelling", "canonical"), [
    ({"padding": 1}, {"padding": ((1, 1), (1, 1))}),
    ({"padding": (1, 2)}, {"padding": ((1, 1), (2, 2))}),
    ({"padding": [1, 2]}, {"padding": ((1, 1), (2, 2))}),
    ({"padding": "valid"}, {"padding": 0}),
    ({"padding": "same"}, {"padding": 1}),
    ({"padding": "same", "stride": 2}, {"padding": ((1, 1), (1, 1)), "stride": (2, 2)}),
    ({"padding": "same", "stride": (2, 3)}, {"padding": ((1, 1), (0, 0)), "stride": (2, 3)}),
    ({"padding": "same", "dilation": 2}, {"padding": 2, "dilation": (2, 2)}),
    ({"stride": [2, 1], "dilation": [1, 2]}, {"stride": (2, 1), "dilation": (1, 2)}),
])
def test_arguments_have_several_spellings(x, weight, spelling, canonical):
    for _ in range(2):  # the second time from the cache
        equal(F.conv2d(x, weight, **spelling), F.conv2d(x, weight, **canonical))


def test_same_padding_puts_the_extra_pixel_at_the_bottom_and_right(rng, weight):
    x = cnnkit.tensor(rng.normal(size=(1, 4, 8, 8)))
    equal(F.conv2d(x, weight, stride=2, padding="same"),
          F.conv2d(x, weight, stride=2, padding=((0, 1), (0, 1))))


def test_same_padding_follows_the_size_of_each_input(weight):
    for n in (5, 6, 7, 8):
        y = F.conv2d(cnnkit.tensor(np.zeros((1, 4, n, n + 1))), weight, stride=2, padding="same")
        assert y.shape == (1, 6, (n + 1) // 2, (n + 2) // 2)


def test_one_image_needs_no_batch_axis(x, weight):
    y = F.conv2d(x[1], weight, padding=1)
    np.testing.assert_allclose(y.numpy(), F.conv2d(x, weight, padding=1)[1].numpy(), rtol=1e-12)
    y.sum().backward()
    assert weight.grad.shape == weight.shape


def test_gradients_reach_input_weight_and_bias(rng, x, weight):
    torch = pytest.importorskip("torch")
    x.requires_grad_()
    bias = cnnkit.tensor(rng.normal(size=6), requires_grad=True)
    (F.conv2d(x, weight, bias, 2, 1) ** 2).sum().backward()
    leaves = [torch.tensor(t.numpy(), requires_grad=True) for t in (x, weight, bias)]
    (torch.nn.functional.conv2d(*leaves, 2, 1) ** 2).sum().backward()
    for ours, theirs in zip((x, weight, bias), leaves):
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"stride": 0}, ValueError, "stride must be an integer or a pair"),
    ({"stride": "2"}, TypeError, "stride must be an integer or a pair"),
    ({"stride": {}}, ValueError, "stride must be an integer or a pair"),
    ({"dilation": (1, 2, 3)}, ValueError, "dilation must be an integer or a pair"),
    ({"padding": -1}, ValueError, "padding must be an integer"),
    ({"padding": "full"}, ValueError, "'same' or 'valid'; got 'full'"),
    ({"groups": 3}, ValueError, "groups=3 must divide"),
    ({"groups": "2"}, TypeError, "groups must be an integer; got '2'"),
    ({"dilation": 4}, ValueError, "kernel is larger than the padded input"),
])
def test_wrong_arguments_are_named(x, weight, arguments, error, message):
    with pytest.raises(error, match=message):
        F.conv2d(x, weight, **arguments)


@pytest.mark.parametrize("padding", [0, "same"])
@pytest.mark.parametrize("shape", [(7, 9), (1, 2, 4, 7, 9)])
def test_an_input_that_is_no_image_is_refused(weight, shape, padding):
    with pytest.raises(ValueError, match=r"images of shape \(N, C, H, W\)"):
        F.conv2d(cnnkit.tensor(np.zeros(shape)), weight, padding=padding)


@pytest.mark.parametrize(("padding", "output_padding"), [(0, 3), (2, 3), (1, (2, 3)), (4, 3)])
def test_output_padding_may_be_larger_than_the_stride_where_filters_are_dilated(padding, output_padding):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=(1, 2, 4, 3)), rng.normal(size=(2, 3, 3, 2))
    results = []
    for library, functional in ((cnnkit, F), (torch, torch.nn.functional)):
        x, weight = (library.tensor(v, requires_grad=True) for v in (values, weights))
        y = functional.conv_transpose2d(x, weight, None, (2, 1), padding, output_padding, 1, 4)
        (y * y).sum().backward()
        results.append((y.detach().numpy(), x.grad.numpy(), weight.grad.numpy()))
    for ours, theirs in zip(*results):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
