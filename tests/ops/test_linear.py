"""The dense op: against PyTorch and against loops."""

import numpy as np
import pytest
from against_torch import PLACES, Place, compare, run

from cnnkit.ops.linear import linear


@pytest.fixture(params=PLACES)
def place(request):
    return Place(request.param)


@pytest.fixture(params=[*PLACES, "jax"])
def anywhere(request):
    return Place(request.param)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (4, 5), (1, 5), (0, 5), (2, 3, 5), (2, 3, 4, 5)])
def test_equals_pytorch(place, rng, shape, bias):
    torch = pytest.importorskip("torch")
    arrays = [rng.normal(size=shape), rng.normal(size=(3, 5)), rng.normal(size=3) if bias else None]
    compare(place, linear, torch.nn.functional.linear, arrays)


@pytest.mark.parametrize("leading", [(2,), (2, 1)])
def test_no_features_gives_the_bias(place, leading):
    (y,), (dx, dw, db) = run(place, linear, [np.zeros((*leading, 0)), np.zeros((3, 0)), np.arange(3.0)])
    assert y.reshape(2, 3).tolist() == [[0, 1, 2]] * 2
    assert (dx.shape, dw.shape, db.tolist()) == ((*leading, 0), (3, 0), [2, 2, 2])


def test_equals_loops(anywhere, rng):
    x, w, b, dy = (rng.normal(size=(4, 5)), rng.normal(size=(3, 5)), rng.normal(size=3),
                   rng.normal(size=(4, 3)))
    N, I, O = 4, 5, 3
    (y,), (dx, dw, db) = run(anywhere, linear, [x, w, b], dy=dy)
    expected = [[sum(x[n, i] * w[o, i] for i in range(I)) + b[o] for o in range(O)] for n in range(N)]
    np.testing.assert_allclose(y, expected, **anywhere.close)
    expected_dx = [[sum(dy[n, o] * w[o, i] for o in range(O)) for i in range(I)] for n in range(N)]
    expected_dw = [[sum(dy[n, o] * x[n, i] for n in range(N)) for i in range(I)] for o in range(O)]
    np.testing.assert_allclose(dx, expected_dx, **anywhere.close)
    np.testing.assert_allclose(dw, expected_dw, **anywhere.close)
    np.testing.assert_allclose(db, [sum(dy[n, o] for n in range(N)) for o in range(O)], **anywhere.close)


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False, False, True),
                                   (False, False, False)])
def test_only_the_gradients_that_are_needed_are_made(place, rng, needs):
    arrays = [place.array(rng.normal(size=s)) for s in ((4, 5), (3, 5), (3,))]
    with place.tables():
        _, backward = linear(*arrays, needs=needs)
        gradients = backward(place.array(np.ones((4, 3)))) if backward else (None,) * 3
    assert tuple(g is not None for g in gradients) == needs
    assert (backward is None) == (not any(needs))


def test_strided_inputs_and_gradients(place, rng):
    x, dy = rng.normal(size=(5, 4)).T, rng.normal(size=(3, 8)).T[::2]
    w = rng.normal(size=(3, 10))[:, ::2]
    (y,), (dx, dw, _) = run(place, linear, [x, w, None], dy=dy)
    np.testing.assert_allclose(y, x @ w.T, **place.close)
    np.testing.assert_allclose(dx, dy @ w, **place.close)
    np.testing.assert_allclose(dw, dy.T @ x, **place.close)


@pytest.mark.parametrize(("shapes", "message"), [
    (((4, 6), (3, 5), None), r"linear got an input of shape \(4, 6\) and a weight of shape \(3, 5\)"),
    (((), (3, 5), None), "it needs"),
    (((4, 5), (3, 5), (5,)), r"bias of shape \(5,\) for a weight of shape \(3, 5\); it needs \(3,\)"),
])
def test_shapes_that_do_not_fit_raise(shapes, message):
    with pytest.raises(ValueError, match=message):
        linear(*[None if s is None else np.zeros(s) for s in shapes])


def test_two_dtypes_raise_naming_the_fix():
    with pytest.raises(TypeError, match=r"float64, float32\. Convert the input with \.to\(dtype='float32'\)"):
        linear(np.zeros((2, 3)), np.zeros((4, 3), np.float32), None)
