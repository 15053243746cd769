"""The shipped families: named once, imported on first use, and each a model that can be trained and saved."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from unallocated import unallocated

import cnnkit
import cnnkit.functional as F
from cnnkit import models
from cnnkit.models import catalogue

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
ROWS = {name: int(count.replace(",", "")) for name, count in re.findall(r"^\| `(\w+)` \|.*\| ([\d,]+) \|",
                                                                        PAGE, re.MULTILINE)}
# every part once; all networks run with --heavy
QUICK = ["cifar_resnet20", "fpn_detector", "lenet5", "squeezenet1_1", "unet"]
SIZES = {"alexnet": 63, "cifar_resnet20": 12, "lenet5": 28, "unet": 16}  # of the images; 32 for the others


def outputs_of(model, x):
    """The first Tensor of whatever a model returns."""
    y = model(x)
    return y["out"] if isinstance(y, dict) else y[0] if isinstance(y, tuple) else y


@pytest.mark.parametrize("file", sorted(set(catalogue.DEFINED_IN.values())))
def test_the_catalogue_names_what_the_file_exports(file):
    names = {name for name, place in catalogue.DEFINED_IN.items() if place == file}
    assert names == set(importlib.import_module(file).__all__)
    assert all(getattr(models, name).__module__ == file for name in names)


def test_no_family_is_imported_before_one_of_its_names_is_asked_for():
    code = """
import sys
from cnnkit import models
families = lambda: [name for name in sys.modules if ".families." in name]
assert not families(), families()
models.lenet5
assert families() == ["cnnkit.models.families.lenet"], families()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_there_is_not_is_named_with_the_nearest():
    with pytest.raises(AttributeError, match=r"has no attribute 'resnet8'; did you mean 'resnet18'"):
        models.resnet8  # noqa: B018
    assert {"resnet18", "ResNet", "build"} <= set(dir(models))


def test_the_page_has_every_network_with_its_parameters():
    counts = {}
    with unallocated():
        for name in catalogue.ARCHITECTURES:
            counts[name] = sum(p.numel() for p in models.build(name, {}).parameters())
    assert counts == ROWS


def test_a_name_that_is_no_backbone_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match="there is no backbone 'unet'; there are alexnet, "):
        catalogue.make("unet")


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.heavy)
                                  for name in catalogue.ARCHITECTURES])
def test_a_network_learns_and_comes_back_from_its_file(name, tmp_path):
    size = SIZES.get(name, 32)
    model = models.build(name, {"in_channels": 2, "num_classes": 3, "width_mult": 0.125})
    x = cnnkit.tensor(np.random.default_rng(0).normal(size=(2, 2, size, size)).astype("float32"))
    outputs = outputs_of(model, x)
    assert outputs.shape[1 if name != "fpn_detector" else 2] == (3 if name != "fpn_detector" else 7)
    (outputs * outputs).mean().backward()
    unused = {key for key, p in model.named_parameters() if p.grad is None}
    assert all("aux" in key for key in unused)  # GoogLeNet's other two results
    path = models.save_model(model, tmp_path / "net", input_shape=(2, size, size))
    saved = models.load_model(path)
    assert (saved.settings["model"], saved.settings["config"]) == (name, model.config)
    assert saved.classes == ["0", "1", "2"]
    np.testing.assert_array_equal(outputs_of(saved.model, x).numpy(), outputs_of(model.eval(), x).numpy())


def test_a_network_is_trained_and_its_file_knows_what_it_predicts(tmp_path):
    from cnnkit import train

    x = np.random.default_rng(0).integers(0, 256, (8, 12, 12), "uint8")
    model = models.cifar_resnet20(num_classes=2, in_channels=1, width_mult=0.125)
    train.fit(model, (x, [0, 1] * 4), loss=F.cross_entropy, progress=False, seed=0)
    saved = models.load_model(models.save_model(model, tmp_path / "net", ["even", "odd"]))
    assert (saved.input_shape, saved.classes) == ((1, 12, 12), ["even", "odd"])


def test_weights_change_the_parameters_and_not_the_config(monkeypatch):
    from cnnkit.models import building

    monkeypatch.setattr(building, "_loaded", lambda model, weights, progress: model)
    assert models.lenet5(weights="some").config == models.lenet5().config


@pytest.mark.parametrize(("name", "size"), [("cifar_resnet20", 8), ("fpn_detector", 32)])
def test_every_library_gives_the_same_outputs(name, size, backend):
    config = {"in_channels": 1, "num_classes": 2, "width_mult": 0.125}
    if name == "fpn_detector":
        config |= {"backbone": "squeezenet1_1", "levels": 2, "out_channels": 8}
    x = np.random.default_rng(0).normal(size=(2, 1, size, size)).astype("float32")
    with cnnkit.use("numpy"):
        expected = models.build(name, config).eval()
        y = expected(cnnkit.tensor(x)).numpy()
        found = expected.detect(cnnkit.tensor(x), score=0.0) if name == "fpn_detector" else ()
    model = models.build(name, config).eval()
    model.load_state_dict(expected.state_dict())
    images = cnnkit.Tensor(backend.asarray(x))
    np.testing.assert_allclose(model(images).numpy(), y, rtol=1e-3, atol=1e-4)
    for here, there in zip(model.detect(images, score=0.0) if found else (), found):
        boxes = [each["boxes"].numpy()[:5] for each in (here, there)]
        np.testing.assert_allclose(*boxes, rtol=1e-3, atol=1e-2)
