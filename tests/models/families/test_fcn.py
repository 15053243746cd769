"""FCN over any backbone."""

import cnnkit
from cnnkit import models


def test_scores_have_the_images_size_whatever_the_backbone():
    for backbone in ("squeezenet1_1", "vgg11"):
        model = models.fcn(backbone=backbone, num_classes=2, aux_loss=True, width_mult=0.125)
        outputs = model(cnnkit.zeros((2, 3, 33, 47)))
        assert {name: y.shape for name, y in outputs.items()} == dict.fromkeys(("out", "aux"), (2, 2, 33, 47))


def test_a_dilated_backbone_keeps_an_eighth_of_the_size():
    model = models.fcn_resnet50(width_mult=0.125)
    assert model.backbone(cnnkit.zeros((1, 3, 64, 64)))["out"].shape == (1, 256, 8, 8)
