"""Changes in place: who sees them on every backend, and PyTorch's answers to random programs."""

import gc
import weakref

import numpy as np
import pytest
from in_place_programs import Outcome, difference, program
from loopback import loopback

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, tensor
from cnnkit.autograd import sharing
from cnnkit.autograd.keeping import kept

PYTORCH_IS_UNLIKE = {
    # it changes a Tensor while it reads the same memory in another order
    1730, 2504, 2522, 4128,
}


@pytest.mark.needs("torch")
@pytest.mark.parametrize("first", range(0, 400, 50))
def test_random_programs_do_what_they_do_in_pytorch(first):
    pytest.importorskip("torch")
    with np.errstate(all="ignore"):
        found = [report for seed in range(first, first + 50) if (report := difference(seed))]
    assert not found, "\n\n".join(found)


@pytest.mark.heavy
def test_thousands_of_random_programs_do_what_they_do_in_pytorch():
    pytest.importorskip("torch")
    with np.errstate(all="ignore"):
        found = [report for seed in range(400, 5000)
                 if seed not in PYTORCH_IS_UNLIKE and (report := difference(seed))]
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("seed", range(12))
def test_every_backend_does_the_same(backend, seed):
    lines = program(seed)
    ours = Outcome(lines, "cnnkit")
    with cnnkit.use("numpy"):
        theirs = Outcome(lines, "cnnkit")
    assert ours.line == theirs.line, (ours.error, theirs.error)
    for name, expected in theirs.results().items():
        got = ours.results()[name]
        assert (got is None) == (expected is None)
        if got is not None:
            np.testing.assert_allclose(got, expected, rtol=1e-3 if backend.name == "jax" else 1e-9)


# -- deferred calls ------------------------------------------------------------------------------------------

class Residual(nn.Module):
    """A residual block as public models write it, or without changes in place."""

    def __init__(self, inplace):
        super().__init__()
        self.inplace = inplace
        rng = np.random.default_rng(0)
        self.weight = nn.Parameter(rng.standard_normal((2, 2, 3, 3)))
        self.relu = nn.ReLU(inplace=inplace)

    def forward(self, x):
        out = F.conv2d(x, self.weight, padding=1)
        if self.inplace:
            out += x
        else:
            out = out + x
        out = F.conv2d(self.relu(out), self.weight, padding=1)
        return F.max_pool2d(F.relu(out, inplace=self.inplace), 2)


def test_in_place_is_fused_as_out_of_place_is_and_has_its_bits():
    results = []
    for inplace in True, False:
        x = tensor(np.random.default_rng(1).standard_normal((1, 2, 6, 6)), requires_grad=True)
        net = Residual(inplace)
        with loopback() as table:
            y = net(x)
            y.sum().backward()
        results.append((table.calls, y.tolist(), x.grad.tolist(), net.weight.grad.tolist()))
    assert results[0] == results[1]
    assert ("conv", "relu", "max_pool") in results[0][0]


def test_a_pending_result_that_changes_hands_over_its_place():
    class Net(nn.Module):
        def forward(self, x, w):
            y = F.conv2d(x, w)
            kept = y
            y *= 2
            y.relu_()
            self.middle = kept
            return y

    x, w = tensor(np.full((1, 1, 3, 3), -1.0)), tensor(np.ones((1, 1, 2, 2)), requires_grad=True)
    with loopback():
        net = Net()
        y = net(-x, w)
    assert net.middle is y
    assert y.tolist() == [[[[8.0, 8.0], [8.0, 8.0]]]]
    y.sum().backward()
    assert w.grad.tolist() == [[[[8.0, 8.0], [8.0, 8.0]]]]


def test_who_else_reads_the_input_of_a_relu_in_place_sees_its_result():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu = nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(inplace=True)

        def forward(self, x):
            y = self.conv(x)
            return self.relu(y) + y

    net = Net()
    with cnnkit.no_grad():
        net.conv.weight.fill_(1.0)
    x = tensor([[[[-1.0, 2.0]]]], requires_grad=True)
    y = net(x)
    assert y.tolist() == [[[[0.0, 4.0]]]]
    y.sum().backward()
    assert x.grad.tolist() == [[[[0.0, 2.0]]]]


# -- memory --------------------------------------------------------------------------------------------------

def test_what_numpy_handed_out_keeps_its_values():
    x = tensor([1.0, 2.0])
    before = x.numpy()
    x.add_(1)
    assert (before.tolist(), x.tolist()) == ([1.0, 2.0], [2.0, 3.0])


def test_what_a_block_keeps_is_kept_in_views_too():
    x = tensor([1.0, 2.0])
    view = x[:1]
    with kept([x]):
        x.zero_()
        assert view.item() == 0.0
    assert view.item() == 1.0


def test_a_view_that_nobody_holds_is_forgotten():
    x = tensor(np.zeros((100, 3)))
    for i in range(100):
        x[i]
    assert len(x._alias.family.memory.members) < 20
    view = x[0]
    del view
    gc.collect()
    assert sharing.live_views(x) == []
    assert x._alias is None


def test_a_detached_loss_does_not_keep_its_history():
    x = tensor([1.0], requires_grad=True)
    y = x * 2
    node = weakref.ref(y)
    kept = y.detach()
    del y
    gc.collect()
    assert node() is None
    assert kept.tolist() == [2.0]


def test_a_reshape_whose_memory_depends_on_the_layout_is_refused_and_not_guessed():
    last = tensor(np.zeros((1, 4, 5, 2)).transpose(0, 3, 1, 2))  # channels last in memory
    flat = last.reshape(1, -1)
    with pytest.raises(RuntimeError, match="layout"):
        last.add_(1)
    del flat
    last.add_(1)


def test_one_of_several_views_of_one_call_must_not_be_changed_while_the_tape_records():
    y = tensor([1.0, 2.0], requires_grad=True) * 1
    parts = y.split(1)
    with pytest.raises(RuntimeError, match="several views"):
        parts[0].add_(1)
    with cnnkit.no_grad():
        parts[0].add_(1)
    assert y.tolist() == [2.0, 2.0]
