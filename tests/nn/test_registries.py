"""A module's parameters, buffers and children are also mappings, read and written."""

import copy
import pickle

import pytest

import cnnkit
from cnnkit import nn


def test_they_are_in_order_and_have_what_is_none():
    layer = nn.BatchNorm2d(1, affine=False)
    assert dict(layer._parameters) == {"weight": None, "bias": None}
    assert list(layer._buffers) == ["running_mean", "running_var", "num_batches_tracked"]
    assert list(nn.Sequential(nn.ReLU(), nn.Tanh())._modules) == ["0", "1"]


def test_setting_and_deleting_reach_the_module():
    net = nn.Sequential(nn.ReLU(), nn.Tanh())
    net._modules["0"] = nn.Sigmoid()
    assert isinstance(net[0], nn.Sigmoid)
    del net._modules["1"]
    assert len(net) == 1
    net._buffers["mean"] = cnnkit.ones(1)
    assert list(net.state_dict()) == ["mean"]
    with pytest.raises(KeyError):
        net._parameters["mean"]


def test_a_buffer_registers_itself():
    module = nn.Module()
    module.kept, module.lost = nn.Buffer(cnnkit.ones(1)), nn.Buffer(cnnkit.ones(1), persistent=False)
    assert list(dict(module.named_buffers())) == ["kept", "lost"]
    assert list(module.state_dict()) == ["kept"]
    assert module.__getattr__("kept") is module.kept


def test_a_copied_buffer_stays_what_it_was():
    module = nn.Module()
    module.lost = nn.Buffer(cnnkit.ones(1), persistent=False)
    same = copy.deepcopy(module)
    assert list(dict(same.named_buffers())) == ["lost"]
    assert list(same.state_dict()) == []
    assert copy.deepcopy(module.lost).persistent is False
    assert pickle.loads(pickle.dumps(module.lost)).persistent is False
