"""U-Net."""

import pytest

import cnnkit
from cnnkit import models, nn


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (40, 19)])
def test_scores_have_the_images_size(size):
    model = models.unet(num_classes=3, width_mult=0.0625)
    assert model(cnnkit.zeros((2, 3, *size))).shape == (2, 3, *size)


def test_an_image_smaller_than_the_poolings_take_is_refused():
    with pytest.raises(ValueError, match="depth 4 takes images of at least 16x16"):
        models.unet(width_mult=0.0625)(cnnkit.zeros((1, 3, 15, 16)))


def test_what_is_seen_at_the_full_size_reaches_the_scores():
    model = models.unet(depth=1, width=2, in_channels=1, num_classes=1).eval()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.1)
    nn.init.zeros_(model.enlarge[0].weight)  # nothing comes from below
    x = cnnkit.zeros((1, 1, 16, 16))
    before = model(x).numpy()
    x[0, 0, 3, 3] = 5.0
    changed = (model(x).numpy() != before)[0, 0]
    assert changed[:8, :8].all()  # four 3x3 convolutions see four pixels on each side
    assert changed.sum() == 64
