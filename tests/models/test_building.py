"""Functions that make models: arguments, errors, and what the models say of themselves."""

import inspect

import pytest

from cnnkit import models, nn
from cnnkit.models import building


def test_a_model_says_which_function_made_it_and_with_what():
    model = models.cifar_resnet20(num_classes=3, width_mult=0.25)
    assert model.made_by == "cifar_resnet20"
    assert model.config == {"num_classes": 3, "option": "A", "in_channels": 3, "width_mult": 0.25}
    assert isinstance(model, models.Configurable)
    assert isinstance(model, building.Made)


def test_arguments_are_shown_with_their_defaults_and_given_by_name():
    signature = inspect.signature(models.resnet18)
    assert list(signature.parameters)[:4] == ["weights", "progress", "num_classes", "zero_init_residual"]
    assert signature.parameters["num_classes"].default == 1000
    with pytest.raises(TypeError, match=r"resnet18\(\) too many positional arguments; it takes weights"):
        models.resnet18(10)


@pytest.mark.parametrize(("make", "arguments", "unknown"), [
    (models.resnet18, {"num_clases": 3}, "num_clases"),
    (models.resnext50_32x4d, {"groups": 2}, "groups"),  # the function sets it
    (models.densenet121, {"growth_rate": 2}, "growth_rate")])
def test_an_argument_that_there_is_not_is_named_with_those_that_there_are(make, arguments, unknown):
    with pytest.raises(TypeError, match=rf"{make.__name__}\(\) .*{unknown}'; it takes .*num_classes"):
        make(**arguments)


def test_the_old_argument_pretrained_is_taken_with_torchvisions_warning():
    with pytest.warns(UserWarning, match=r"squeezenet1_1\(pretrained=\.\.\.\) is deprecated .*weights=None"):
        assert models.squeezenet1_1(pretrained=False, width_mult=0.125).made_by == "squeezenet1_1"


def test_weights_are_loaded_by_the_function_that_knows_how(monkeypatch):
    monkeypatch.setattr(building, "_loaded", lambda model, weights, progress: (model, weights, progress))
    make = building.architecture(nn.Linear)(lambda **settings: nn.Linear(2, 3, **settings))
    with pytest.raises(TypeError, match="must return"):  # of the stand-in, which returns a tuple
        make(weights="name", progress=False)


def test_a_function_of_ones_own_records_open_keywords_too():
    @building.recorded
    def net(width, *, depth=1, **more):
        return nn.Linear(width, depth)

    assert net(3, colour="red").config == {"width": 3, "depth": 1, "colour": "red"}


def test_a_function_that_makes_no_module_is_named():
    with pytest.raises(TypeError, match=r"text\(\) must return a cnnkit\.nn\.Module; it returned 'net'"):
        building.recorded(lambda: "net", "text")()
