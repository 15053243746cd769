"""Averages of weights beside PyTorch's: the models, the rates, and batch normalization's statistics."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn, optim


def model(module):
    rng = np.random.default_rng(0)
    net = module.nn.Sequential(module.nn.Conv2d(2, 3, 3), module.nn.BatchNorm2d(3), module.nn.ReLU())
    with module.no_grad():
        for p in net.parameters():
            p.copy_(module.tensor(rng.normal(size=tuple(p.shape)), dtype=module.float32))
    return net


def batches(module, count=4):
    return [module.tensor(np.random.default_rng(n).normal(size=(2 + n, 2, 5, 5)), dtype=module.float32)
            for n in range(count)]


def changed(module, net, seed):
    rng = np.random.default_rng(seed)
    with module.no_grad():
        for p in net.parameters():
            p.add_(module.tensor(rng.normal(size=tuple(p.shape)), dtype=module.float32))
    net(batches(module)[seed % 4])


def values(net):
    return {name: np.array(value.numpy()) for name, value in net.state_dict().items()}


@pytest.mark.parametrize("kind", ["plain", "buffers", "avg_fn", "ema", "ema_buffers"])
def test_averaged_models_equal_pytorchs(kind):
    torch = pytest.importorskip("torch")
    found = []
    for module in cnnkit, torch:
        swa = module.optim.swa_utils
        settings = {"plain": {}, "buffers": {"use_buffers": True},
                    "avg_fn": {"avg_fn": lambda mine, new, n: 0.3 * mine + 0.7 * new},
                    "ema": {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.9)},
                    "ema_buffers": {"avg_fn": swa.get_ema_avg_fn(0.9), "use_buffers": True}}[kind]
        if module is torch and kind == "ema_buffers":
            settings["avg_fn"] = lambda mine, new, n: (0.9 * mine + 0.1 * new).to(mine.dtype)
        net = model(module)
        averaged = swa.AveragedModel(net, **settings)
        for seed in range(5):
            changed(module, net, seed)
            averaged.update_parameters(net)
        swa.update_bn(batches(module), averaged)
        found.append(values(averaged))
        assert averaged.module[1].momentum == 0.1
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        np.testing.assert_allclose(value, found[1][name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_an_average_is_no_view_of_the_model_and_counts():
    net = nn.Linear(2, 1)
    averaged = optim.swa_utils.AveragedModel(net)
    averaged.update_parameters(net)
    before = averaged.module.weight.tolist()
    with cnnkit.no_grad():
        net.weight.add_(1.0)
    assert averaged.module.weight.tolist() == before
    assert averaged.n_averaged.item() == 1
    assert "n_averaged" in averaged.state_dict()


def test_update_bn_leaves_modes_and_momenta_when_a_batch_fails():
    net = nn.Sequential(nn.BatchNorm2d(3)).eval()
    with pytest.raises(ValueError, match="3"):
        optim.swa_utils.update_bn([(cnnkit.zeros((2, 4, 5, 5)),)], net)
    assert (net[0].momentum, net.training) == (0.1, False)


@pytest.mark.parametrize("settings", [{"swa_lr": 0.05}, {"swa_lr": [0.5, 0.1], "anneal_epochs": 4},
                                      {"swa_lr": 0.05, "anneal_epochs": 6, "anneal_strategy": "linear"},
                                      {"swa_lr": 0.05, "anneal_epochs": 0}])
def test_rates_equal_pytorch(settings):
    torch = pytest.importorskip("torch")
    found = []
    for module in cnnkit, torch:
        a, b = (module.tensor([1.0], requires_grad=True) for _ in range(2))
        optimizer = module.optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.02}], lr=0.3)
        scheduler = module.optim.swa_utils.SWALR(optimizer, **settings)
        found.append([])
        for _ in range(15):
            found[-1] += scheduler.get_last_lr()
            optimizer.step()
            scheduler.step()
    assert found[0] == pytest.approx(found[1], rel=1e-12)


def test_what_cannot_work_is_refused():
    optimizer = optim.SGD([cnnkit.tensor([1.0], requires_grad=True)])
    with pytest.raises(ValueError, match="'cos' or 'linear'"):
        optim.swa_utils.SWALR(optimizer, 0.1, anneal_strategy="tri")
    with pytest.raises(ValueError, match="anneal_epochs"):
        optim.swa_utils.SWALR(optimizer, 0.1, anneal_epochs=-1)
    with pytest.raises(ValueError, match="Invalid decay value 2"):
        optim.swa_utils.get_ema_multi_avg_fn(2)
    with pytest.raises(AssertionError, match="Only one"):
        optim.swa_utils.AveragedModel(nn.ReLU(), avg_fn=max, multi_avg_fn=max)
