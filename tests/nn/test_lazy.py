"""Lazy layers: the first input decides, as in PyTorch; before it, states load, move and copy."""

import copy

import numpy as np
import pytest

import cnnkit
from cnnkit import nn, optim

CASES = {
    "LazyLinear": ((4,), (2, 3)), "LazyConv1d": ((4, 3), (2, 3, 8)), "LazyConv2d": ((4, 3), (3, 5, 6)),
    "LazyConv3d": ((4, 2), (1, 2, 3, 4, 3)), "LazyConvTranspose1d": ((4, 3), (2, 3, 8)),
    "LazyConvTranspose2d": ((4, 3), (1, 2, 4, 4)), "LazyConvTranspose3d": ((4, 2), (1, 2, 3, 2, 3)),
    "LazyBatchNorm1d": ((), (4, 3)), "LazyBatchNorm2d": ((), (2, 3, 4, 4)),
    "LazyBatchNorm3d": ((), (2, 3, 2, 2, 2)),
    "LazyInstanceNorm1d": ((), (3, 5)), "LazyInstanceNorm2d": ((), (2, 3, 4, 4)),
    "LazyInstanceNorm3d": ((), (2, 3, 2, 2, 2))}


def image(*shape):
    return cnnkit.tensor(np.random.default_rng(0).normal(size=shape).astype(np.float32))


@pytest.mark.parametrize("name", CASES)
def test_the_first_call_makes_the_usual_layer(name):
    arguments, shape = CASES[name]
    cnnkit.random.seed(3)
    lazy = getattr(nn, name)(*arguments)
    assert lazy.has_uninitialized_params()
    keys = list(lazy.state_dict())
    assert lazy.state_dict()["weight"] is lazy.weight
    y = lazy(image(*shape))
    usual = getattr(nn, name.removeprefix("Lazy"))
    assert type(lazy) is usual
    assert list(lazy.state_dict()) == keys
    channels = 3 if shape in ((3, 5), (3, 5, 6)) else shape[1]
    cnnkit.random.seed(3)
    settings = {"affine": True, "track_running_stats": True} if "Norm" in name else {}
    made = usual(channels, *arguments, **settings)
    assert repr(made) == repr(lazy)
    assert type(lazy.weight) is nn.Parameter
    assert made(image(*shape)).tolist() == y.tolist()


def test_a_loaded_state_gives_the_shapes():
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    x = image(2, 3, 5, 5)
    trained = copy.deepcopy(net)
    expected = trained(x)
    assert str(net.load_state_dict(trained.state_dict())) == "<All keys matched successfully>"
    assert net.eval()(x).tolist() == trained.eval()(x).tolist() != expected.tolist()


def test_a_state_without_values_loads_into_one_without_and_into_no_other():
    lazy, usual = nn.LazyLinear(2), nn.Linear(3, 2)
    nn.LazyLinear(2).load_state_dict(lazy.state_dict())
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
        usual.load_state_dict(lazy.state_dict())


def test_it_moves_and_converts_before_the_first_call():
    layer = nn.LazyConv2d(2, 3).double()
    assert layer.weight.dtype == np.float64
    assert repr(layer.weight) == "<UninitializedParameter>"
    layer.to("array-api-strict")
    layer(image(1, 1, 4, 4).to("array-api-strict").double())
    assert layer.weight.backend == "array-api-strict"
    assert layer.weight.dtype == layer.bias.dtype


def test_groups_and_axes_are_checked_at_the_first_call():
    with pytest.raises(ValueError, match="groups must divide both numbers of channels"):
        nn.LazyConv2d(4, 3, groups=2)(image(1, 3, 5, 5))
    with pytest.raises(ValueError, match=r"Expected 3D \(unbatched\) or 4D \(batched\) input to LazyConv2d"):
        nn.LazyConv2d(4, 3)(image(5, 5))
    with pytest.raises(ValueError, match="out_channels to be an integer"):
        nn.LazyConv2d(0, 3)


def test_it_trains_after_the_first_call():
    net = nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.LazyLinear(1))
    x = image(4, 2)
    net(x)
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    before = net[0].weight.tolist()
    (net(x) ** 2).sum().backward()
    optimizer.step()
    assert net[0].weight.tolist() != before
