"""Gates and slopes: PyTorch's values and gradients; what is drawn has its distribution."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F


def both(name, arrays, **settings):
    torch = pytest.importorskip("torch")
    for library, functional in ((cnnkit, F), (torch, torch.nn.functional)):
        tensors = [library.tensor(a, requires_grad=True) for a in arrays]
        y = getattr(functional, name)(*tensors, **settings)
        (y * y).sum().backward()
        yield [y.detach().numpy(), *(t.grad.numpy() for t in tensors)]


@pytest.mark.parametrize(("name", "shapes", "settings"), [
    ("glu", [(4, 6)], {}), ("glu", [(4, 3, 2)], {"dim": 0}), ("prelu", [(2, 3, 4, 5), (3,)], {}),
    ("prelu", [(2, 3), (1,)], {}), ("prelu", [(), ()], {}), ("prelu", [(5,), (1,)], {}),
    ("rrelu", [(3, 4)], {"lower": 0.1, "upper": 0.4})])
def test_values_and_gradients_are_pytorchs(name, shapes, settings):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in shapes]
    ours, theirs = both(name, arrays, **settings)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_drawn_slopes_lie_between_the_bounds_and_reach_the_gradient():
    x = cnnkit.full((1000,), -1.0, requires_grad=True)
    y = F.rrelu(x, 0.25, 0.5, training=True)
    slopes = -y.detach().numpy()
    assert slopes.min() >= 0.25 and slopes.max() <= 0.5  # noqa: PT018
    assert slopes.mean() == pytest.approx(0.375, abs=0.01)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), slopes)
    z = cnnkit.tensor([-1.0, 3.0])
    assert F.rrelu(z, 0.5, 0.5, training=True, inplace=True) is z
    assert z.tolist() == [-0.5, 3.0]


def test_drawn_categories_have_the_scores_probabilities():
    cnnkit.manual_seed(0)
    scores = cnnkit.tensor([0.0, 1.0, 2.0]).expand(4000, 3).clone().requires_grad_()
    drawn = F.gumbel_softmax(scores, hard=True)
    assert drawn.sum(1).tolist() == pytest.approx([1.0] * 4000)
    np.testing.assert_allclose(drawn.detach().numpy().mean(0), F.softmax(scores[0], 0).detach().numpy(),
                               atol=0.03)
    drawn[:, 0].sum().backward()
    assert scores.grad.abs().sum().item() > 0


@pytest.mark.parametrize(("call", "message"), [
    (lambda: F.glu(cnnkit.ones(3)), "Halving dimension must be even"),
    (lambda: F.prelu(cnnkit.ones(2, 3), cnnkit.ones(2)), "parameter numbers = 2 and channel size = 3"),
    (lambda: F.rrelu(cnnkit.ones(1), 0.5, 0.1), "Lower bound"),
    (lambda: F.hardtanh(cnnkit.ones(1), 1.0, 0.0), "min_val cannot be greater"),
    (lambda: F.softshrink(cnnkit.ones(1), -1.0), "lambda must be greater")])
def test_what_is_wrong_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call()
