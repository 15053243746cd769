"""Timed networks: the guide's two, LeNet-5, ResNet-18 with CIFAR's stem, VGG-11, and a MobileNet block."""

from __future__ import annotations

from typing import Any

__all__ = ["network"]


def network(name: str, nn: Any) -> tuple[Any, tuple[int, int, int]]:
    """The network called W1, W2, lenet5, mobilenet, vgg11 or resnet18, and the shape of its images.

    `nn` is ``cnnkit.nn``, or a package with the same layers, such as ``torch.nn``.
    """
    def conv(i: int, o: int, k: int = 3, s: int = 1, bias: bool = True) -> Any:
        return nn.Conv2d(i, o, k, s, k // 2, bias=bias)  # keeps the size at stride 1

    if name == "W1":
        return nn.Sequential(conv(1, 8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                             nn.Linear(1568, 10)), (1, 28, 28)
    if name == "W2":
        return nn.Sequential(conv(3, 8), nn.ReLU(), nn.MaxPool2d(2), conv(8, 16), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Flatten(), nn.Linear(1024, 128), nn.ReLU(), nn.Linear(128, 10)), (3, 32, 32)
    if name == "lenet5":
        return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Flatten(), nn.Linear(400, 120), nn.ReLU(),
                             nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)), (1, 28, 28)
    if name == "mobilenet":  # depthwise separable (Howard et al. 2017), between convolution and classifier
        return nn.Sequential(conv(3, 32, 3, 2, False), nn.BatchNorm2d(32), nn.ReLU(),
                             nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False),
                             nn.BatchNorm2d(32), nn.ReLU(),
                             conv(32, 64, 1, 1, False), nn.BatchNorm2d(64), nn.ReLU(),
                             nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)), (3, 64, 64)
    layers: list[Any] = []
    c = 3
    if name == "vgg11":
        for v in (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"):
            if isinstance(v, str):
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [conv(c, v), nn.ReLU()]
                c = v
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2048, 10)), (3, 64, 64)
    if name != "resnet18":
        raise ValueError(f"there is no network {name!r}")

    class Block(nn.Module):
        """ResNet's basic block (He et al. 2016)."""

        def __init__(self, i: int, o: int, s: int):
            super().__init__()
            self.c1, self.b1 = conv(i, o, 3, s, False), nn.BatchNorm2d(o)
            self.c2, self.b2 = conv(o, o, 3, 1, False), nn.BatchNorm2d(o)
            self.sc = (nn.Sequential(conv(i, o, 1, s, False), nn.BatchNorm2d(o))
                       if s != 1 or i != o else nn.Identity())
            self.r1, self.r2 = nn.ReLU(), nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.r2(self.b2(self.c2(self.r1(self.b1(self.c1(x))))) + self.sc(x))

    layers, c = [conv(3, 64, 3, 1, False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for o, s in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(c, o, s), Block(o, o, 1)]
        c = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)), (3, 32, 32)
