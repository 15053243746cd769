"""Losses: PyTorch's values and gradients under every setting, and how a batch's mean counts."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import nn
from cnnkit.evaluation.counting import Counting

RNG = np.random.default_rng(0)
X, Y, Z = (RNG.normal(size=(5, 4)) for _ in range(3))
P, Q = (RNG.uniform(0.05, 0.95, size=(5, 4)) for _ in range(2))
SIGN = np.where(RNG.random((5, 4)) < 0.5, -1.0, 1.0)
WEIGHT = RNG.uniform(0.5, 2, size=4)
LABELS = RNG.integers(0, 4, 5)
SEVERAL = np.array([[0, 2, -1, 1], [-1, 0, 0, 0], [3, 1, 0, 2], [2, -1, -1, -1], [1, 1, -1, 0]])
CASES = [  # function, inputs, those whose gradients count, settings (an array is a Tensor)
    ("l1_loss", (X, Y), 2, {}),
    ("smooth_l1_loss", (X, Y), 2, {}), ("smooth_l1_loss", (X, Y), 2, {"beta": 0.3}),
    ("smooth_l1_loss", (X, Y), 2, {"beta": 0}), ("huber_loss", (X, Y), 2, {"delta": 0.7}),
    ("kl_div", (np.log(P), Q), 2, {}), ("kl_div", (np.log(P), np.log(Q)), 2, {"log_target": True}),
    ("kl_div", (np.log(P), Q), 2, {"reduction": "batchmean"}),
    ("poisson_nll_loss", (X, np.round(3 * P)), 1, {"full": True}),
    ("poisson_nll_loss", (P, Q), 2, {"log_input": False}),
    ("gaussian_nll_loss", (X, Y, P), 3, {"full": True}), ("gaussian_nll_loss", (X, Y, P[:, 0]), 3, {}),
    ("gaussian_nll_loss", (X, Y, P), 3, {"eps": 0.5}),
    ("binary_cross_entropy", (P, Q), 2, {"weight": WEIGHT}),
    ("binary_cross_entropy_with_logits", (X, Q), 2, {"weight": WEIGHT, "pos_weight": WEIGHT + 1}),
    ("soft_margin_loss", (X, SIGN), 1, {}), ("multilabel_soft_margin_loss", (X, Q), 2, {"weight": WEIGHT}),
    ("hinge_embedding_loss", (X, SIGN), 1, {"margin": 0.5}),
    ("cosine_embedding_loss", (X, Y, SIGN[:, 0]), 2, {"margin": 0.1}),
    ("cosine_embedding_loss", (X[0], Y[0], SIGN[0, 0]), 2, {}),
    ("margin_ranking_loss", (X, Y, SIGN), 2, {"margin": 0.2}),
    ("multi_margin_loss", (X, LABELS), 1, {"weight": WEIGHT, "p": 2}),
    ("multi_margin_loss", (X[0], LABELS[0]), 1, {"margin": 0.5}),
    ("multilabel_margin_loss", (X, SEVERAL), 1, {}), ("multilabel_margin_loss", (X[0], SEVERAL[0]), 1, {}),
    ("triplet_margin_loss", (X, Y, Z), 3, {"swap": True}), ("triplet_margin_loss", (X, Y, Z), 3, {"p": 1}),
    ("triplet_margin_loss", (X, Y, Z), 3, {"p": 3, "margin": 2.0}),
    ("triplet_margin_with_distance_loss", (X, Y, Z), 3,
     {"distance_function": lambda a, b: (a - b).abs().sum(-1), "swap": True})]


def outcome(library, function, inputs, needed, settings):
    tensors = [library.tensor(v, requires_grad=n < needed) for n, v in enumerate(inputs)]
    settings = {name: library.tensor(v) if isinstance(v, np.ndarray) else v for name, v in settings.items()}
    y = function(*tensors, **settings)
    (y * y).sum().backward()
    return [y.detach().numpy(), *(t.grad.numpy() for t in tensors[:needed])]


@pytest.mark.needs("torch")
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "inputs", "needed", "settings"), CASES)
def test_values_and_gradients_are_pytorchs(name, inputs, needed, settings, reduction):
    torch = pytest.importorskip("torch")
    settings = {"reduction": reduction, **settings}
    theirs = outcome(torch, getattr(torch.nn.functional, name), inputs, needed, settings)
    for a, b in zip(outcome(cnnkit, getattr(F, name), inputs, needed, settings), theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_probabilities_of_0_and_1_give_finite_losses_and_gradients():
    p = cnnkit.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(p, cnnkit.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none")
    assert loss.tolist() == [0.0, 0.0, 100.0, 100.0]
    loss.sum().backward()
    assert np.isfinite(p.grad.numpy()).all()


def test_focal_loss_is_cross_entropy_times_what_its_formula_says():
    x, t = cnnkit.tensor(X), cnnkit.tensor((SIGN + 1) / 2)
    plain = F.binary_cross_entropy_with_logits(x, t, reduction="none").numpy()
    np.testing.assert_allclose(F.sigmoid_focal_loss(x, t, alpha=-1, gamma=0).numpy(), plain)
    right = 1 / (1 + np.exp(-X * SIGN))
    expected = plain * (1 - right) ** 2 * np.where(SIGN > 0, 0.25, 0.75)
    np.testing.assert_allclose(F.sigmoid_focal_loss(x, t).numpy(), expected)
    assert F.sigmoid_focal_loss(x, t, reduction="mean").item() == pytest.approx(expected.mean())


def test_dice_loss_is_0_for_equal_masks_and_1_for_apart_ones():
    left = cnnkit.tensor([[[[1.0, 0.0]], [[1.0, 0.0]]]])
    right = cnnkit.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
    assert F.dice_loss(left, right, reduction="none").tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(("loss", "count"), [
    (nn.BCEWithLogitsLoss(), 20), (nn.L1Loss(), 20), (F.binary_cross_entropy, 20), (nn.HuberLoss(), 20),
    (nn.MultiLabelSoftMarginLoss(), 5), (nn.KLDivLoss("batchmean"), 5), (nn.KLDivLoss(), 20)])
def test_a_mean_counts_the_numbers_or_the_rows_that_it_divides_by(loss, count):
    assert Counting(loss)(cnnkit.tensor(P)).loss == count


@pytest.mark.parametrize("name", ["BCELoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss"])
def test_weights_are_buffers(name):
    assert list(getattr(nn, name)(weight=cnnkit.ones(4)).state_dict()) == ["weight"]


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.l1_loss(x, x, "average"), "average is not a valid value for reduction"),
    (lambda x: F.binary_cross_entropy(x, x[:2]), "must be the same as input size"),
    (lambda x: F.huber_loss(x, x, delta=0), "non-positive values for delta"),
    (lambda x: F.smooth_l1_loss(x, x, beta=-1), "negative values for beta"),
    (lambda x: F.gaussian_nll_loss(x, x, -x), "negative entry"),
    (lambda x: F.gaussian_nll_loss(x, x, x[:2]), "incorrect size"),
    (lambda x: F.multi_margin_loss(x, x.to(dtype="int64")), "takes scores"),
    (lambda x: F.triplet_margin_loss(x, x, x[0]), "same number of axes"),
    (lambda x: F.dice_loss(x, x), "takes masks")])
def test_what_is_wrong_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call(cnnkit.ones(3, 2))


def test_different_shapes_are_broadcast_with_a_warning():
    with pytest.warns(UserWarning, match="different to the input size"):
        assert F.l1_loss(cnnkit.zeros(2, 3), cnnkit.ones(3)).item() == 1.0
