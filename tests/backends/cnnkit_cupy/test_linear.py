"""The dense layer's kernels beside float64: slices, ReLU, layouts, gradients that nobody needs."""

import numpy as np
import pytest
from chains import chain
from cnnkit_cupy import linear
from layouts import laid_out

import cnnkit
from cnnkit import backends, nn

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)
EVERY = (True, True, True)


def run(x, weight, bias, dy, needs=EVERY, relu=False, make=None):
    """Output and gradients as NumPy's arrays; ``None`` where there is no gradient."""
    emulator = backends.get("emulator")
    make = make or emulator.asarray
    arrays = make(x), emulator.asarray(weight), None if bias is None else emulator.asarray(bias)
    with backends.use("emulator"):
        if relu:
            y, backward = linear.linear_chain(*arrays, needs=needs, calls=chain(("linear", "relu"), ({}, {})))
        else:
            y, backward = linear.linear(*arrays, needs=needs)
        gradients = backward(make(dy)) if backward else ()
    return [None if a is None else emulator.to_numpy(a) for a in (y, *gradients)]


def exact(x, weight, bias, dy, relu=False):
    """The same in float64."""
    x, weight, dy = (a.astype(np.float64) for a in (x, weight, dy))
    y = x @ weight.T + (0 if bias is None else bias.astype(np.float64))
    if relu:
        y, dy = np.maximum(y, 0), np.where(y > 0, dy, 0)
    rows, flat = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
    return [y, dy @ weight, rows.T @ flat, rows.sum(0)]


def arrays(shape, outputs, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s).astype(dtype)
            for s in (shape, (outputs, shape[-1]), (outputs,), (*shape[:-1], outputs))]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(("shape", "outputs"), [
    ((1, 1), 1), ((32, 300), 10), ((5, 7), 130), ((70, 65), 67), ((200, 3), 4), ((2, 3, 20), 12), ((9,), 5)])
def test_values_and_gradients_are_those_of_float64(shape, outputs, dtype, relu):
    given = arrays(shape, outputs, dtype)
    close = 1e-4 if dtype == "float32" else 2e-2
    names = "y", "dx", "dweight", "dbias"
    for name, got, wanted in zip(names, run(*given, relu=relu), exact(*given, relu)):
        np.testing.assert_allclose(got, wanted, rtol=close, atol=close * np.abs(wanted).max(), err_msg=name)


def test_slices_depend_on_shapes_and_cover_the_depth():
    for tiles, depth in ((1, 1), (1, 63), (1, 1568), (3, 1000), (200, 5000), (1, 10**7)):
        count, each = linear.slices(tiles, depth)
        assert (count - 1) * each < depth <= count * each
        assert count == 1 or (each % 16 == 0 and count * tiles <= linear.BLOCKS)


def test_no_schedule_changes_a_bit_and_there_is_no_race():
    from cnnkit_emulator.device import schedule, traced

    given = arrays((70, 200), 5)
    before = run(*given, relu=True)
    for order, seed in (("reversed", 0), ("skewed", 1)):
        with schedule(order, seed):
            assert all(map(np.array_equal, before, run(*given, relu=True)))
    with traced():
        assert all(map(np.array_equal, before, run(*given, relu=True)))


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False, False, True),
                                   (False, True, True), (True, False, True), (False, False, False)])
def test_gradients_that_nobody_needs_are_not_made(needs):
    given = arrays((70, 130), 5)
    y, *gradients = run(*given, needs=needs)
    expected = exact(*given)
    np.testing.assert_allclose(y, expected[0], rtol=1e-4, atol=1e-4)
    assert [g is not None for g in gradients] == [n for n in needs if any(needs)]
    for got, wanted in zip(gradients, expected[1:]):
        assert got is None or np.allclose(got, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("layout", ["backwards", "every second column", "broadcast"])
def test_any_strides_are_taken(layout):
    given = arrays((2, 3, 4, 20), 12)
    if layout == "broadcast":
        given[0], given[3] = np.broadcast_to(given[0][:1], given[0].shape), np.ones_like(given[3])
    for got, wanted in zip(run(*given, make=lambda a: laid_out(a, layout)), exact(*given)):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-3)


def test_a_layer_is_one_launch_each_way_with_its_relu(launches):
    with cnnkit.use("emulator"):
        model = nn.Sequential(nn.Linear(300, 20), nn.ReLU(), nn.Linear(20, 10))
        model(cnnkit.ones(4, 300)).sum().backward()
    assert ([name for name, _ in launches["linear"]]
            == ["linear_forward<float>"] * 2 + ["linear_backward<float>"] * 2)


@pytest.mark.parametrize(("shape", "dtype"), [((0, 3), "float32"), ((2, 3), "float64")])
def test_what_the_kernels_lack_is_declined(shape, dtype):
    x = backends.get("emulator").asarray(np.ones(shape, dtype))
    weight = backends.get("emulator").asarray(np.ones((4, 3), dtype))
    assert linear.linear(x, weight, None, needs=(False,) * 3) is NotImplemented
