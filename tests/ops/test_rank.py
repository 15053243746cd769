"""One spatial axis by kernels of two, and convolutions at any rank: values, gradients, kernels used."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, nn
from cnnkit import functional as F
from cnnkit.ops import OPS
from cnnkit.ops.rank import by_rank_2

WINDOW = {"stride": (2,), "padding": ((1, 0),), "dilation": (1,), "groups": 1}


def rng():
    return np.random.default_rng(0)


def test_three_axes_become_four_and_come_back():
    calls = []

    def kernel(x, weight, bias, *, needs, **attrs):
        calls.append((x.shape, weight.shape, bias.shape, attrs))
        return x, lambda dy: (dy, weight, bias)

    y, backward = by_rank_2(kernel, [np.ones((2, 3, 5)), np.ones((4, 3, 3)), np.ones(4)], [True] * 3, WINDOW)
    assert calls == [((2, 3, 1, 5), (4, 3, 1, 3), (4,),
                      {"stride": (1, 2), "padding": ((0, 0), (1, 0)), "dilation": (1, 1), "groups": 1})]
    assert [a.shape for a in (y, *backward(y))] == [(2, 3, 5), (2, 3, 5), (4, 3, 3), (4,)]


def test_what_the_kernel_declines_is_declined():
    assert by_rank_2(lambda x, *, needs: NotImplemented, [np.ones((2, 3, 5))], [False], {}) is NotImplemented


def test_three_spatial_axes_are_declined_before_the_kernel_is_called():
    assert by_rank_2(None, [np.ones((1, 2, 3, 4, 5))], [False], {}) is NotImplemented


@pytest.mark.parametrize("table", ["numpy", "cpu", "emulator"])
def test_the_tables_kernels_serve_signals(table):
    if (table not in {row.name for row in backends.list() if row.available}
            | {t.name for t in backends.kernel_tables() if t.available() is True}):
        pytest.skip(f"{table} is not here")
    with cnnkit.use(table):
        backend = backends.current()
        tables = backend.resolve()
        x, weight, y = (backend.asarray(rng().standard_normal(s), "float32")
                        for s in ((2, 3, 9), (4, 3, 3), (2, 4, 4)))
        pool = {"kernel_size": (2,), "stride": (2,), "padding": ((0, 0),)}
        for name, arrays, attrs in (
                ("conv", (x, weight, None), WINDOW), ("conv_input", (y, weight), {**WINDOW, "size": (9,)}),
                ("conv_filters", (x, y), {**WINDOW, "kernel_size": (3,)}),
                ("max_pool", (x,), {**pool, "dilation": (1,), "ceil_mode": False}),
                ("avg_pool", (x,),
                 {**pool, "ceil_mode": False, "count_include_pad": True, "divisor_override": None})):
            assert tables.ask(name, arrays,
                              {"needs": (False,) * len(arrays), **attrs}) is not NotImplemented, name


def test_a_chain_of_signals_is_one_kernel():
    ran = []

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(rng().standard_normal((4, 2, 3)))
            self.bias = nn.Parameter(rng().standard_normal(4))

        def forward(self, x):
            y = F.conv1d(x, self.weight, self.bias, padding=1)
            ran.append(y._link is not None)
            return F.relu(y)

    if (backends.kernel_tables("numpy")[0].name != "cpu"
            or backends.kernel_tables("numpy")[0].available() is not True):
        pytest.skip("there are no C++ kernels here")
    net, x = Net(), cnnkit.tensor(rng().standard_normal((3, 2, 8)).astype(np.float32), requires_grad=True)
    net.to(dtype="float32")
    y = net(x)
    (y * y).sum().backward()
    assert ran == [True]
    assert y._source[0].name == "conv+relu"
    with backends.tables():
        other = cnnkit.tensor(x.numpy(), requires_grad=True)
        z = net(other)
        (z * z).sum().backward()
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), other.grad.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_three_products_are_each_others_gradients(rank):
    window = {"stride": (2, 1, 3)[:rank], "padding": ((1, 0),) * rank,
              "dilation": (1, 2, 1)[:rank], "groups": 2}
    x, weight = (rng().standard_normal((2, 4, *(7, 8, 6)[:rank])),
                 rng().standard_normal((6, 2, *(3, 2, 2)[:rank])))
    (y,), backward = OPS["conv"](x, weight, None, needs=(True, True, False), **window)
    dy = rng().standard_normal(y.shape)
    dx, dweight, _ = backward(dy)
    # <dy, conv(x, w)> is linear in each of the three, so all three products give the same number
    expected = np.sum(dy * y)
    assert np.sum(dx * x) == pytest.approx(expected)
    assert np.sum(dweight * weight) == pytest.approx(expected)
    (x_again,), back = OPS["conv_input"](dy, weight, needs=(True, True), size=x.shape[2:], **window)
    np.testing.assert_allclose(x_again, dx)
    ddy, dw = back(x)
    np.testing.assert_allclose(ddy, y)
    np.testing.assert_allclose(dw, dweight)
    (weight_again,), back = OPS["conv_filters"](x, dy, needs=(True, True),
                                                kernel_size=weight.shape[2:], **window)
    np.testing.assert_allclose(weight_again, dweight)
    for got, right in zip(back(weight), (dx, y)):
        np.testing.assert_allclose(got, right)


@pytest.mark.parametrize(("op", "arrays", "attrs", "words"), [
    ("conv_input", ((2, 3, 4), (4, 2, 3)), {**WINDOW, "size": (8,)}, "must be as many"),
    ("conv_input", ((2, 4, 4), (4, 2, 3)), {**WINDOW, "size": (20,)}, r"cannot make \(20,\) of \(4,\)"),
    ("conv_filters", ((2, 3, 9), (2, 4, 5)), {**WINDOW, "kernel_size": (3,)}, r"gives \(2, 4, 4\)"),
    ("conv", ((2, 3, 9), (4, 3, 3, 3), None), WINDOW, r"conv1d takes a weight of shape \(K, C/groups, S\)"),
    ("conv", ((2, 3, 9, 9), (4, 3, 3), None), WINDOW, r"conv1d takes inputs of shape \(N, C, L\)")])
def test_what_does_not_fit_is_said(op, arrays, attrs, words):
    with pytest.raises(ValueError, match=words):
        OPS[op](*(None if shape is None else np.ones(shape) for shape in arrays), **attrs)


def test_transposed_convolution_equals_pytorchs():
    torch = pytest.importorskip("torch")
    for rank, function in ((1, F.conv_transpose1d), (2, F.conv_transpose2d), (3, F.conv_transpose3d)):
        x, w, b = (rng().standard_normal(s)
                   for s in ((2, 4, *(4, 5, 3)[:rank]), (4, 3, *(3, 2, 3)[:rank]), (6,)))
        settings = {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2, "dilation": 1}
        mine = [cnnkit.tensor(a, requires_grad=True) for a in (x, w, b)]
        theirs = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
        got = function(*mine, **settings)
        right = getattr(torch.nn.functional, f"conv_transpose{rank}d")(*theirs, **settings)
        np.testing.assert_allclose(got.numpy(), right.detach().numpy(), rtol=1e-10, atol=1e-12)
        (got * got).sum().backward()
        (right * right).sum().backward()
        for a, c in zip(mine, theirs):
            np.testing.assert_allclose(a.grad.numpy(), c.grad.numpy(), rtol=1e-9, atol=1e-11)
