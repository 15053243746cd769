"""LeNet-5 (LeCun et al., "Gradient-based learning applied to document recognition", 1998).

As everybody builds it today: a full second convolution, and a dense layer in place of the radial units.
"""

from __future__ import annotations

from typing import Any

from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import scaled
from cnnkit.models.building import architecture

__all__ = ["LeNet5", "lenet5"]

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
POOLINGS = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}


class LeNet5(nn.Module):
    """Two convolutions with pooling, and three dense layers, for images of 28x28; 61,706 parameters.

    Parameters
    ----------
    num_classes : int
        The number of scores.
    activation : {"relu", "tanh"}
        The paper has tanh.
    pooling : {"max", "avg"}
        The paper averages.
    in_channels : int
        Channels of the images.
    width_mult : float
        Makes all layers wider or narrower.

    Raises
    ------
    ValueError
        If there is no such activation or pooling; at the call, if the images are not 28x28.

    >>> sum(p.numel() for p in LeNet5().parameters())
    61706
    """

    features: nn.Sequential
    classifier: nn.Sequential

    def __init__(self, num_classes: int = 10, *, activation: str = "relu", pooling: str = "max",
                 in_channels: int = 1, width_mult: float = 1.0):
        super().__init__()
        for name, value, choices in (("activation", activation, ACTIVATIONS), ("pooling", pooling, POOLINGS)):
            if value not in choices:
                raise ValueError(f"LeNet5 takes {name}={' or '.join(map(repr, choices))}; got {value!r}")
        act, pool = ACTIVATIONS[activation], POOLINGS[pooling]
        c1, c3, c5, f6 = (scaled(n, width_mult) for n in (6, 16, 120, 84))
        self.features = nn.Sequential(nn.Conv2d(in_channels, c1, 5, padding=2), act(), pool(2),
                                      nn.Conv2d(c1, c3, 5), act(), pool(2))
        self.classifier = nn.Sequential(nn.Linear(c3 * 25, c5), act(), nn.Linear(c5, f6), act(),
                                        nn.Linear(f6, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2:] != (28, 28):
            raise ValueError(f"LeNet5 takes images of 28x28, got an input of shape {x.shape}; resize them "
                             "with functional.interpolate(x, size=28)")
        return self.classifier(self.features(x).flatten(1))


@architecture(LeNet5, input_shape=(1, 28, 28))
def lenet5(**settings: Any) -> LeNet5:
    """LeNet-5 for images of 28x28; see `LeNet5`."""
    return LeNet5(**settings)
