"""The stages of a classifier's trunk."""

import copy

import pytest

import cnnkit
from cnnkit import models, nn
from cnnkit.models import stages


def test_a_stage_is_the_last_module_of_each_size():
    found = stages.stages_of(models.vgg11(width_mult=0.125))
    assert [(stage.name, stage.stride) for stage in found] == [
        ("1", 1.0), ("4", 2.0), ("9", 4.0), ("14", 8.0), ("19", 16.0), ("20", 32.0)]


def test_looking_for_stages_changes_nothing():
    model = models.resnet18(width_mult=0.125)
    before = copy.deepcopy(model.state_dict())
    stages.stages_of(model)
    assert model.training
    assert all((value.numpy() == before[name].numpy()).all() for name, value in model.state_dict().items())


def test_layers_after_the_last_that_is_returned_are_left_out():
    model = models.resnet18(width_mult=0.125)
    layers = stages.IntermediateLayerGetter(model, {"layer2": "out"})
    assert list(layers) == ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2"]
    assert layers["layer1"] is model.layer1
    assert {name: maps.shape for name, maps in layers(cnnkit.zeros((1, 3, 32, 32))).items()} == {
        "out": (1, 16, 4, 4)}


def test_a_layer_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="Sequential has no layer '2'; it has 0, 1"):
        stages.IntermediateLayerGetter(nn.Sequential(nn.ReLU(), nn.ReLU()), {"2": "out"})
