"""The head is the layer that gives the scores, in every family; a new one has its place and kind."""

import numpy as np
import pytest

import cnnkit
from cnnkit import models, nn
from cnnkit.transfer_learning import head_of
from cnnkit.transfer_learning.head import new_heads

SMALL = {"width_mult": 0.125}
HEADS = {"cifar_resnet20": "linear", "squeezenet1_1": "classifier.1", "alexnet": "classifier.6",
         "resnet18": "fc",
         "vgg11": "classifier.6", "mobilenet_v2": "classifier.1", "mobilenet_v3_small": "classifier.3",
         "densenet121": "classifier", "googlenet": "fc", "shufflenet_v2_x0_5": "fc",
         "efficientnet_b0": "classifier.1", "convnext_tiny": "classifier.2"}
FIRST = 2  # the others take long to make


@pytest.mark.parametrize("name", [*list(HEADS)[:FIRST], *(pytest.param(name, marks=pytest.mark.heavy)
                                                          for name in list(HEADS)[FIRST:])])
def test_every_family_keeps_its_head_where_it_was(name):
    model = models.build(name, SMALL)
    assert head_of(model) == HEADS[name]
    assert HEADS[name] in new_heads(model, 3)
    fresh = models.build(name, {**SMALL, "num_classes": 3})
    assert {key: value.shape for key, value in model.state_dict().items()} == {
        key: value.shape for key, value in fresh.state_dict().items()}


def test_auxiliary_classifiers_get_new_heads_too():
    model = models.googlenet(num_classes=7, **SMALL)
    assert new_heads(model, 3) == ["aux1.fc2", "aux2.fc2", "fc"]


def test_a_new_head_is_where_the_old_one_is(backend):
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 5, bias=False)).double()
    before = model[1].weight.dtype  # float64 where the backend has it
    new_heads(model, 2)
    assert (model[1].bias, model[1].weight.dtype) == (None, before)
    assert model(cnnkit.zeros(3, 4, dtype="float64")).shape == (3, 2)
    assert model[1].weight.backend == cnnkit.zeros(1).backend


def test_new_weights_are_drawn():
    model = nn.Sequential(nn.Linear(4, 5))
    old = model[0].weight.numpy().copy()
    new_heads(model, 5)
    assert not np.array_equal(model[0].weight.numpy(), old)


@pytest.mark.parametrize(("model", "match"), [
    (nn.Sequential(nn.ReLU()), "Sequential has no dense layer"),
    (nn.Sequential(nn.Conv2d(4, 4, 1, groups=2)), "in groups")])
def test_models_without_a_head_are_told(model, match):
    with pytest.raises(ValueError, match=match):
        new_heads(model, 2)
