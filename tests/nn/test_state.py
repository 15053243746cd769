"""Loading states: PyTorch's files, old ones, files of the weights alone, and what an error lists."""

import os
from pathlib import Path

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import nn, safetensors

WEIGHTS = Path(os.environ.get("CNNKIT_DATA", "nowhere")) / "weights"
needs_weights = pytest.mark.skipif(not WEIGHTS.is_dir(), reason="CNNKIT_DATA names no folder with weights")


def conv(before, after, stride):
    return nn.Conv2d(before, after, 3, stride, 1, bias=False)


class Block(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(before, after, stride), nn.BatchNorm2d(after)
        self.conv2, self.bn2 = conv(after, after, 1), nn.BatchNorm2d(after)
        self.stride, self.added = stride, (after - before) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.added:  # He et al. 2016, option A: every second pixel, and channels of zeros
            x = x[:, :, ::self.stride, ::self.stride]
            zeros = x[:, :self.added] * 0
            x = F.cat([zeros, x, zeros], dim=1)
        return F.relu(y + x)


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 16, 1), nn.BatchNorm2d(16)
        for n, (before, after) in enumerate([(16, 16), (16, 32), (32, 64)], 1):
            first = Block(before, after, 1 if n == 1 else 2)
            self.add_module(f"layer{n}", nn.Sequential(first, Block(after, after, 1), Block(after, after, 1)))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))


@needs_weights
def test_a_file_of_pytorch_without_num_batches_tracked_loads_and_gives_its_logits():
    net = ResNet20().eval()
    assert net.load_state_dict(safetensors.load_file(WEIGHTS / "cifar10_resnet20.safetensors")) == ([], [])
    check = np.load(WEIGHTS / "cifar10_resnet20_check.npz")
    with cnnkit.no_grad():
        logits = net(check["x"][:2]).numpy()
    np.testing.assert_allclose(logits, check["logits"][:2], rtol=1e-3, atol=1e-3)


def test_num_batches_tracked_may_be_missing_but_no_other_buffer():
    net = nn.Sequential(nn.BatchNorm2d(2))
    state = dict(net.state_dict())
    del state["0.num_batches_tracked"]
    assert net.load_state_dict(state) == ([], [])
    del state["0.running_var"]
    with pytest.raises(RuntimeError, match=r"missing 1: 0\.running_var\."):
        net.load_state_dict(state)


def test_a_state_that_says_it_has_num_batches_tracked_must_have_it():
    net = nn.Sequential(nn.BatchNorm2d(2))
    state = net.state_dict()
    del state["0.num_batches_tracked"]
    with pytest.raises(RuntimeError, match=r"missing 1: 0\.num_batches_tracked"):
        net.load_state_dict(state)


def test_a_value_that_is_no_array_is_named():
    with pytest.raises(RuntimeError, match=r"load_state_dict takes Tensors and arrays; bias is float"):
        nn.Linear(1, 1).load_state_dict({"weight": np.ones((1, 1)), "bias": 1.0})
    with pytest.raises(TypeError, match=r"needs a mapping.*got list"):
        nn.Linear(1, 1).load_state_dict([])


def test_a_child_that_leaves_something_out_of_its_state_is_asked():
    class Silent(nn.Linear):
        def state_dict(self, *, destination, prefix="", keep_vars=False):
            return destination

    assert list(nn.Sequential(nn.Linear(1, 1), Silent(1, 1)).state_dict()) == ["0.weight", "0.bias"]


def test_states_go_to_pytorch_and_back_with_their_versions():
    torch = pytest.importorskip("torch")
    ours, theirs = nn.Sequential(nn.BatchNorm1d(2)), torch.nn.Sequential(torch.nn.BatchNorm1d(2))
    assert ours.state_dict()._metadata == theirs.state_dict()._metadata
    state = theirs.state_dict()
    del state["0.num_batches_tracked"]
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        ours.load_state_dict(state)
    state._metadata["0"]["version"] = 1
    assert ours.load_state_dict(state) == ([], [])
    assert ours.load_state_dict(theirs.state_dict(keep_vars=True)) == ([], [])
