"""ctc_loss: PyTorch's numbers in every form of the arguments; the op's values are the conformance kit's."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import nn

RNG = np.random.default_rng(0)
SCORES, LABELS = RNG.normal(size=(7, 3, 4)), RNG.integers(1, 4, (3, 5))
INPUTS, LENGTHS = [7, 5, 3], [3, 2, 0]
FLAT = np.concatenate([row[:n] for row, n in zip(LABELS, LENGTHS)])


@pytest.mark.parametrize("targets", [LABELS, FLAT], ids=["rows", "one-after-the-other"])
@pytest.mark.parametrize("settings", [{"reduction": "sum", "zero_infinity": True}, {"reduction": "none"},
                                      {"zero_infinity": True}])
def test_losses_and_gradients_of_scores_are_pytorchs(targets, settings):
    torch = pytest.importorskip("torch")
    results = []
    for library, function in ((cnnkit, F), (torch, torch.nn.functional)):
        x = library.tensor(SCORES, requires_grad=True)
        lengths = (library.tensor(INPUTS), LENGTHS)
        loss = function.ctc_loss(function.log_softmax(x, -1), library.tensor(targets), *(
            lengths if library is cnnkit else map(torch.tensor, (INPUTS, LENGTHS))), **settings)
        (loss * loss).sum().backward()
        results.append([loss.detach().numpy(), x.grad.numpy()])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_a_sequence_without_a_batch_is_a_number():
    x = cnnkit.tensor(SCORES[:, 0]).log_softmax(-1)
    alone = F.ctc_loss(x, cnnkit.tensor(LABELS[0, :2]), cnnkit.tensor(7), cnnkit.tensor(2), reduction="none")
    batch = F.ctc_loss(x.unsqueeze(1), cnnkit.tensor(LABELS[:1, :2]), [7], [2], reduction="none")
    assert alone.shape == ()
    assert alone.item() == batch.item()


def test_a_sequence_without_a_path_costs_infinity_or_nothing(backend):
    x = cnnkit.tensor(SCORES[:1, :1].astype(np.float32)).log_softmax(-1)
    arguments = (x, cnnkit.tensor(LABELS[:1, :2]), [1], [2])
    assert F.ctc_loss(*arguments).item() == float("inf")
    assert nn.CTCLoss(zero_infinity=True)(*arguments).item() == 0.0


def test_what_is_beyond_a_label_may_be_anything():
    x, far = cnnkit.tensor(SCORES).log_softmax(-1), LABELS.copy()
    far[0, 3:], far[2] = 99, -1
    ours, theirs = (F.ctc_loss(x, cnnkit.tensor(labels), INPUTS, LENGTHS, reduction="none").tolist()
                    for labels in (LABELS, far))
    assert ours == theirs


def test_a_network_learns_a_text_that_is_not_aligned():
    cnnkit.manual_seed(0)
    frames, text = cnnkit.randn(12, 1, 8), cnnkit.tensor([[1, 2, 2, 3]])
    layer = nn.Linear(8, 5)
    optimizer = cnnkit.optim.Adam(layer.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.ctc_loss(layer(frames).log_softmax(-1), text, [12], [4])
        loss.backward()
        optimizer.step()
    path = layer(frames).argmax(-1).reshape(-1).tolist()
    spelt = [c for c, before in zip(path, [0, *path]) if c != before and c]
    assert spelt == [1, 2, 2, 3]


@pytest.mark.parametrize(("change", "message"), [
    ({"input_lengths": [7, 5]}, "input_lengths must be of size batch_size, 3; got 2"),
    ({"input_lengths": [8, 5, 3]}, "at most 7, but got value 8"),
    ({"target_lengths": [3, 6, 0]}, r"shape \(3, 6 or more\); got \(3, 5\)"),
    ({"target_lengths": [3, -1, 0]}, "0 or more; got -1"),
    ({"targets": cnnkit.tensor([1, 2])}, r"\(5,\); got \(2,\)"),
    ({"blank": 4}, "label range: 0 to 3, got 4"), ({"reduction": "all"}, "valid value for reduction"),
    ({"log_probs": cnnkit.zeros(3)}, r"\(T, N, C\) or \(T, C\); got shape \(3,\)")])
def test_arguments_that_do_not_fit_are_named(change, message):
    arguments = {"log_probs": cnnkit.tensor(SCORES), "targets": cnnkit.tensor(LABELS),
                 "input_lengths": INPUTS, "target_lengths": LENGTHS, **change}
    with pytest.raises((RuntimeError, ValueError), match=message):
        F.ctc_loss(**arguments)
