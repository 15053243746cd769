"""The networks beside torchvision's: arguments, names and shapes of weights, outputs and gradients."""

import functools
import inspect
import math

import numpy as np
import pytest
from unallocated import unallocated

import cnnkit
from cnnkit import models
from cnnkit.models import catalogue

NOT_IN_TORCHVISION = ("cifar_resnet", "lenet", "unet", "fpn")
NAMES = sorted(name for name in catalogue.ARCHITECTURES
               if name != "fcn" and not name.startswith(NOT_IN_TORCHVISION))
LIGHT = {"mobilenet_v3_small", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1"}
# made of the same parts as vgg11 and vgg16_bn, and up to 144 million numbers, several times
LIKE_OTHERS = {"vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg19", "vgg19_bn"}
OURS = {"in_channels", "width_mult"}  # arguments that cnnkit adds
NOT_TAKEN = {"GoogLeNet": ("blocks",)}
OTHER_DEFAULTS = {("GoogLeNet", "init_weights")}  # None, which warns and means True
SIZES = {"alexnet": 79, "densenet121": 79, "googlenet": 64}  # of the images; 48 for the others

every_network = pytest.mark.parametrize(  # module: the tests of one are neighbours, so that few are kept
    "name", [name if name in LIGHT else pytest.param(name, marks=pytest.mark.heavy)
             for name in NAMES if name not in LIKE_OTHERS], scope="module")


def reference_of(torchvision, name, init_weights=False):
    """torchvision's model of this name."""
    if name.startswith("fcn"):
        make = torchvision.models.segmentation.fcn_resnet50
        return make(weights=None, weights_backbone=None, aux_loss=True)
    known = {"init_weights": init_weights} if name.startswith(("vgg", "googlenet")) else {}
    return getattr(torchvision.models, name)(weights=None, **known)


def model_of(name):
    return getattr(models, name)(**({"aux_loss": True} if name.startswith("fcn") else {}))


def without_chance(model):
    """Dropout and stochastic depth pass everything, in either library."""
    for module in model.modules():
        if type(module).__name__ in ("Dropout", "StochasticDepth"):
            module.p = 0.0
    return model


@pytest.fixture(scope="module")
def pair_of(torchvision):
    """Makes our model and torchvision's, in float64, with the same weights."""
    torch = pytest.importorskip("torch")

    @functools.lru_cache(maxsize=1)
    def make(name):
        torch.manual_seed(0)
        reference = without_chance(reference_of(torchvision, name)).double()
        model = without_chance(model_of(name)).double()
        model.load_state_dict(reference.state_dict())
        return model, reference
    return make


@pytest.mark.parametrize("name", [
    "AlexNet", "ConvNeXt", "DenseNet", "EfficientNet", "GoogLeNet", "MobileNetV2", "MobileNetV3", "ResNet",
    "ShuffleNetV2", "SqueezeNet", "VGG"])
def test_a_class_takes_torchvisions_arguments_with_its_defaults(name, torchvision):
    here, there = (inspect.signature(getattr(library, name)).parameters
                   for library in (models, torchvision.models))
    expected = [p for p in there.values() if p.kind is not inspect.Parameter.VAR_KEYWORD
                and p.name not in NOT_TAKEN.get(name, ())]
    assert [p for p in here if p not in OURS or p in there] == [p.name for p in expected]
    for parameter in expected:
        if isinstance(parameter.default, int | float | str | None):
            default = here[parameter.name].default
            assert default == parameter.default or (name, parameter.name) in OTHER_DEFAULTS, parameter


@pytest.mark.parametrize("name", NAMES)
def test_the_state_is_torchvisions(name, torchvision):
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        reference = reference_of(torchvision, name).state_dict()
    with unallocated():
        state = model_of(name).state_dict()
    assert [(key, tuple(value.shape)) for key, value in state.items()] == [
        (key, tuple(value.shape)) for key, value in reference.items()]


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@every_network
def test_outputs_and_gradients_are_torchvisions(name, training, pair_of):
    torch = pytest.importorskip("torch")
    model, reference = pair_of(name)
    size = SIZES.get(name, 48)
    x = np.random.default_rng(0).normal(size=(2 if training else 1, 3, size, size))
    outputs = as_list(model.train(training)(cnnkit.tensor(x)))
    expected = as_list(reference.train(training)(torch.tensor(x)))
    assert len(outputs) == len(expected)
    for y, e in zip(outputs, expected):
        np.testing.assert_allclose(y.numpy(), e.detach().numpy(), rtol=1e-7, atol=1e-9)
    if not training:
        return
    dy = np.random.default_rng(1).normal(size=outputs[0].shape)
    sum((y * cnnkit.tensor(dy)).sum() for y in outputs).backward()
    sum((e * torch.tensor(dy)).sum() for e in expected).backward()
    for key, parameter in model.named_parameters():
        e = reference.get_parameter(key).grad.numpy()
        np.testing.assert_allclose(parameter.grad.numpy(), e, rtol=1e-6, atol=1e-8 * np.abs(e).max() + 1e-12,
                                   err_msg=key)
    for key, buffer in model.named_buffers():
        np.testing.assert_allclose(buffer.numpy(), reference.get_buffer(key).numpy(), rtol=1e-9, atol=1e-12)
    model.zero_grad()
    reference.zero_grad()


def as_list(outputs):
    """The Tensors of a network's result: one, a tuple, or a dict of them."""
    if isinstance(outputs, dict):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


@every_network
def test_initial_weights_are_drawn_as_torchvisions(name, torchvision):
    """Mean, deviation and range of each parameter of more than 1,000 numbers; 0 and 1 where all are alike."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    reference = dict(reference_of(torchvision, name, init_weights=True).named_parameters())
    for key, parameter in model_of(name).named_parameters():
        here, there = (np.asarray(p.detach().numpy(), "float64") for p in (parameter, reference[key]))
        if there.std() == 0:
            assert here.std() == 0, key
            np.testing.assert_allclose(here.flat[0], there.flat[0], err_msg=key)
        elif here.size > 1000:
            noise = 6 / math.sqrt(here.size)
            assert abs(here.std() / there.std() - 1) < noise, key
            assert abs(here.mean() - there.mean()) < noise * there.std(), key
            # the largest of a normal draw lies far outside the range of a uniform one
            assert abs(np.abs(here).max() / np.abs(there).max() - 1) < 0.4, key


def test_a_feature_pyramid_is_torchvisions(torchvision):
    torch = pytest.importorskip("torch")
    from torchvision.ops import feature_pyramid_network as theirs

    for norm in (False, True):
        reference = theirs.FeaturePyramidNetwork(
            [8, 16, 24], 4, theirs.LastLevelMaxPool(), torch.nn.BatchNorm2d if norm else None).double()
        pyramid = models.FeaturePyramidNetwork(
            [8, 16, 24], 4, models.LastLevelMaxPool(), cnnkit.nn.BatchNorm2d if norm else None).double()
        pyramid.load_state_dict(reference.state_dict())
        draw = np.random.default_rng(0).normal
        maps = {str(size): draw(size=(2, channels, size, size + 1))
                for channels, size in ((8, 17), (16, 9), (24, 5))}
        levels = pyramid({name: cnnkit.tensor(x) for name, x in maps.items()})
        expected = reference({name: torch.tensor(x) for name, x in maps.items()})
        assert list(levels) == list(expected)
        for name, level in levels.items():
            np.testing.assert_allclose(level.numpy(), expected[name].detach().numpy(), rtol=1e-9, atol=1e-12)


def test_a_backbone_with_a_pyramid_has_torchvisions_state(torchvision):
    torch = pytest.importorskip("torch")
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    with torch.device("meta"):
        reference = resnet_fpn_backbone(backbone_name="resnet18", weights=None,
                                        norm_layer=torch.nn.BatchNorm2d).state_dict()
    with unallocated():
        state = models.with_fpn(models.resnet18()).state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == {
        key: tuple(value.shape) for key, value in reference.items()}
