"""Parts of a network learn at rates of their own."""

import numpy as np
import pytest

from cnnkit import models, nn, optim, train
from cnnkit.transfer_learning import parameter_groups


def test_each_parameter_is_in_the_first_group_that_has_it():
    model = models.cifar_resnet20(width_mult=0.25)
    groups = parameter_groups(model, {"head": 1.0, "layer3": 0.1, "*.bias": 0.01}, lr=0.001)
    assert [(group["name"], group["lr"]) for group in groups] == [
        ("head", 1.0), ("layer3", 0.1), ("*.bias", 0.01), ("all others", 0.001)]
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = [{names[id(parameter)] for parameter in group["params"]} for group in groups]
    assert found[0] == {"linear.weight", "linear.bias"}
    assert all(name.startswith("layer3.") for name in found[1])
    assert all(name.endswith("bias") and not name.startswith(("layer3", "linear")) for name in found[2])
    assert sum(map(len, found)) == len(names)


def test_a_rate_of_zero_leaves_its_part_as_it_is_and_the_run_uses_all_rates():
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    optimizer = optim.SGD(parameter_groups(model, {"1": 0.0}, lr=0.5))
    images = np.random.default_rng(0).random((8, 1, 4, 4), np.float32)
    train.fit(model, (images, [0, 1] * 4), optimizer=optimizer, progress=False)
    same = {name for name, value in model.state_dict().items() if np.array_equal(value.numpy(), before[name])}
    assert same == {"1.weight", "1.bias"}


@pytest.mark.parametrize(("rates", "match"), [
    ({"layer9": 1.0}, "no part 'layer9'"),
    ({"all": 1.0, "linear": 1.0}, "'linear' has no parameters that are not")])
def test_groups_without_parameters_are_told(rates, match):
    with pytest.raises(ValueError, match=match):
        parameter_groups(models.cifar_resnet20(width_mult=0.25), rates, lr=0.1)
