"""AlexNet (Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014)."""

from __future__ import annotations

from typing import Any

from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import scaled
from cnnkit.models.building import architecture

__all__ = ["AlexNet", "alexnet"]


class AlexNet(nn.Module):
    """Five convolutions, three poolings and three dense layers; images of at least 63x63.

    Parameters
    ----------
    num_classes : int
        The number of scores.
    dropout : float
        Probability of a zero before each of the first two dense layers.
    in_channels : int
        Channels of the images.
    width_mult : float
        Makes all layers wider or narrower.

    >>> AlexNet(num_classes=10, width_mult=0.125).classifier[-1]
    Linear(in_features=512, out_features=10, bias=True)
    """

    features: nn.Sequential
    classifier: nn.Sequential

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5, *, in_channels: int = 3,
                 width_mult: float = 1.0):
        super().__init__()
        c1, c2, c3, c4, hidden = (scaled(n, width_mult) for n in (64, 192, 384, 256, 4096))
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, c1, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2),
            nn.Conv2d(c1, c2, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2),
            nn.Conv2d(c2, c3, 3, padding=1), nn.ReLU(),
            nn.Conv2d(c3, c4, 3, padding=1), nn.ReLU(),
            nn.Conv2d(c4, c4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, stride=2))
        self.avgpool: nn.AdaptiveAvgPool2d = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(c4 * 6 * 6, hidden), nn.ReLU(),
            nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


@architecture(AlexNet)
def alexnet(**settings: Any) -> AlexNet:
    """AlexNet; see `AlexNet`."""
    return AlexNet(**settings)
