"""Feature pyramids: each level is the lateral map and the enlarged coarser level, smoothed."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import models, nn


def test_levels_are_what_the_paper_says():
    pyramid = models.FeaturePyramidNetwork([2, 3], 4)
    draw = np.random.default_rng(0).normal
    fine = cnnkit.tensor(draw(size=(1, 2, 5, 7)).astype("float32"))
    coarse = cnnkit.tensor(draw(size=(1, 3, 3, 4)).astype("float32"))
    top = pyramid.inner_blocks[1](coarse)
    below = pyramid.inner_blocks[0](fine) + F.interpolate(top, size=(5, 7), mode="nearest")
    levels = pyramid({"a": fine, "b": coarse})
    np.testing.assert_array_equal(levels["b"].numpy(), pyramid.layer_blocks[1](top).numpy())
    np.testing.assert_array_equal(levels["a"].numpy(), pyramid.layer_blocks[0](below).numpy())


def test_the_extra_level_is_every_second_pixel():
    x = cnnkit.tensor(np.arange(12.0).reshape(1, 1, 3, 4))
    levels, names = models.LastLevelMaxPool()([x], [], ["0"])
    assert names == ["0", "pool"]
    assert levels[1].tolist() == [[[[0.0, 2.0], [8.0, 10.0]]]]


@pytest.mark.parametrize("name", [
    name if name in ("resnet18", "squeezenet1_1")
    else pytest.param(name, marks=pytest.mark.heavy) for name in models.catalogue.BACKBONES])
def test_a_pyramid_stands_on_any_classifier(name):
    model = models.build(name, {"width_mult": 0.125})
    channels = next(p for p in model.modules() if isinstance(p, nn.Conv2d)).in_channels
    backbone = models.with_fpn(model, 8, levels=3)
    levels = backbone(cnnkit.zeros((1, channels, 64, 64)))
    sizes = [level.shape[2] for level in levels.values()]
    assert list(levels) == ["0", "1", "2", "pool"]
    assert sizes == sorted(sizes, reverse=True)
    assert {level.shape[1] for level in levels.values()} == {8}


def test_more_levels_than_there_are_sizes_are_refused():
    with pytest.raises(ValueError, match=r"CifarResNet has maps of 3 sizes, so that .* 1 to 3 levels"):
        models.with_fpn(models.cifar_resnet20(width_mult=0.125))


def test_another_number_of_maps_is_refused():
    with pytest.raises(ValueError, match="takes 2 feature maps, the finest first; got 1: a"):
        models.FeaturePyramidNetwork([2, 3], 4)({"a": cnnkit.zeros((1, 2, 3, 3))})
