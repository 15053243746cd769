"""Networks in the styles of today's architectures, written once for cnnkit and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["STYLES", "style"]

Net = tuple[Any, tuple[int, ...]]  # the network, and the shape of one of its images


def style(name: str, library: Any) -> Net:
    """The network called `name`, and the shape of its images; `library` is ``cnnkit`` or ``torch``."""
    return STYLES[name](library, library.nn)


def _conv(nn: Any, i: int, o: int, k: int = 3, s: int = 1, activation: Any = None, groups: int = 1,
          dilation: int = 1) -> list:
    """Convolution and batch norm, which keep the size at stride 1, and perhaps an activation."""
    layers = [nn.Conv2d(i, o, k, s, k // 2 * dilation, dilation, groups, bias=False), nn.BatchNorm2d(o)]
    return layers if activation is None else [*layers, activation()]


def _classifier(nn: Any, *layers: Any, channels: int) -> Any:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def _inverted_residual(nn: Any, i: int, o: int, s: int, expand: int) -> Any:
    class InvertedResidual(nn.Module):
        """MobileNetV2's block (Sandler et al. 2018)."""

        def __init__(self) -> None:
            super().__init__()
            wide = i * expand
            first = _conv(nn, i, wide, 1, 1, nn.ReLU6) if expand > 1 else []
            self.body = nn.Sequential(*first, *_conv(nn, wide, wide, 3, s, nn.ReLU6, groups=wide),
                                      *_conv(nn, wide, o, 1))

        def forward(self, x: Any) -> Any:
            return x + self.body(x) if s == 1 and i == o else self.body(x)
    return InvertedResidual()


def mobilenetv2(library: Any, nn: Any) -> Net:
    """MobileNetV2 with half of its blocks."""
    layers, c = _conv(nn, 3, 32, 3, 2, nn.ReLU6), 32
    for expand, o, count, s in ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 2, 2), (6, 64, 2, 2), (6, 96, 1, 1)):
        for stride in (s, *[1] * (count - 1)):
            layers.append(_inverted_residual(nn, c, o, stride, expand))
            c = o
    return _classifier(nn, *layers, *_conv(nn, c, 320, 1, 1, nn.ReLU6), channels=320), (3, 64, 64)


def separable(library: Any, nn: Any) -> Net:
    """Depthwise-separable convolutions with Hardswish, as in MobileNetV3 without its gates."""
    layers, c = _conv(nn, 3, 16, 3, 2, nn.Hardswish), 16
    for o, s in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        layers += [*_conv(nn, c, c, 3, s, nn.Hardswish, groups=c), *_conv(nn, c, o, 1, 1, nn.Hardswish)]
        c = o
    return _classifier(nn, *layers, channels=c), (3, 64, 64)


def mobilenet(library: Any, nn: Any) -> Net:
    """Depthwise-separable convolutions with ReLU (Howard et al. 2017)."""
    layers, c = _conv(nn, 3, 32, 3, 2, nn.ReLU), 32
    for o, s in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        layers += [*_conv(nn, c, c, 3, s, nn.ReLU, groups=c), *_conv(nn, c, o, 1, 1, nn.ReLU)]
        c = o
    return _classifier(nn, *layers, channels=c), (3, 64, 64)


def _unet(library: Any, nn: Any, up: Callable[[int, int], Any]) -> Net:
    def double(i: int, o: int) -> Any:
        return nn.Sequential(*_conv(nn, i, o, activation=nn.ReLU), *_conv(nn, o, o, activation=nn.ReLU))

    class UNet(nn.Module):
        """Down twice and up twice, with concatenations (Ronneberger et al. 2015)."""

        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.three = double(3, 16), double(16, 32), double(32, 64)
            self.up2, self.up1 = up(64, 32), up(32, 16)
            self.right2, self.right1 = double(64, 32), double(32, 16)
            self.pool, self.classes = nn.MaxPool2d(2), nn.Conv2d(16, 10, 1)

        def forward(self, x: Any) -> Any:
            one = self.one(x)
            two = self.two(self.pool(one))
            three = self.three(self.pool(two))
            y = self.right2(library.cat([two, self.up2(three)], 1))
            return self.classes(self.right1(library.cat([one, self.up1(y)], 1)))
    return UNet(), (3, 64, 64)


def unet(library: Any, nn: Any) -> Net:
    """A U-Net that goes up by transposed convolution."""
    return _unet(library, nn, lambda i, o: nn.ConvTranspose2d(i, o, 2, 2))


def unet_upsample(library: Any, nn: Any) -> Net:
    """A U-Net that goes up by bilinear interpolation."""
    return _unet(library, nn, lambda i, o: nn.Sequential(
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), nn.Conv2d(i, o, 1)))


def signal(library: Any, nn: Any) -> Net:
    """A 1-D net for signals: convolution, batch norm, ReLU, max pooling."""
    layers: list[Any] = []
    c = 1
    for o, k in ((32, 7), (64, 5), (64, 3), (128, 3)):
        layers += [nn.Conv1d(c, o, k, padding=k // 2), nn.BatchNorm1d(o), nn.ReLU(), nn.MaxPool1d(2)]
        c = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(c, 10)), (1, 512)


def _with_norm(nn: Any, norm: Callable[[int], Any], activation: Callable[[], Any]) -> Net:
    layers: list[Any] = []
    c = 3
    for o, s in ((32, 1), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        layers += [nn.Conv2d(c, o, 3, s, 1), norm(o), activation()]
        c = o
    return _classifier(nn, *layers, channels=c), (3, 32, 32)


def groupnorm(library: Any, nn: Any) -> Net:
    """Convolution, group norm of eight groups, SiLU."""
    return _with_norm(nn, lambda c: nn.GroupNorm(8, c), nn.SiLU)


def instancenorm(library: Any, nn: Any) -> Net:
    """Convolution, instance norm, leaky ReLU."""
    return _with_norm(nn, lambda c: nn.InstanceNorm2d(c, affine=True), lambda: nn.LeakyReLU(0.2))


def gelu(library: Any, nn: Any) -> Net:
    """Convolution, batch norm, GELU."""
    return _with_norm(nn, nn.BatchNorm2d, nn.GELU)


def resnet20(library: Any, nn: Any) -> Net:
    """ResNet-20 for CIFAR (He et al. 2016)."""
    class Block(nn.Module):
        """Two convolutions and a shortcut."""

        def __init__(self, i: int, o: int, s: int):
            super().__init__()
            self.body = nn.Sequential(*_conv(nn, i, o, 3, s, nn.ReLU), *_conv(nn, o, o))
            self.shortcut = nn.Sequential(*_conv(nn, i, o, 1, s)) if i != o else nn.Identity()
            self.relu = nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.relu(self.body(x) + self.shortcut(x))

    layers, c = _conv(nn, 3, 16, activation=nn.ReLU), 16
    for o, s in ((16, 1), (32, 2), (64, 2)):
        layers += [Block(c, o, s), Block(o, o, 1), Block(o, o, 1)]
        c = o
    return _classifier(nn, *layers, channels=c), (3, 32, 32)


def fire(library: Any, nn: Any) -> Net:
    """SqueezeNet's fire modules (Iandola et al. 2016)."""
    class Fire(nn.Module):
        """A 1x1 convolution, and two side by side behind it."""

        def __init__(self, i: int, squeeze: int, expand: int):
            super().__init__()
            self.squeeze, self.relu = nn.Conv2d(i, squeeze, 1), nn.ReLU()
            self.one, self.three = nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

        def forward(self, x: Any) -> Any:
            x = self.relu(self.squeeze(x))
            return library.cat([self.relu(self.one(x)), self.relu(self.three(x))], 1)

    return _classifier(nn, nn.Conv2d(3, 64, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
                       Fire(64, 16, 64), Fire(128, 16, 64), nn.MaxPool2d(3, 2, ceil_mode=True),
                       Fire(128, 32, 128), Fire(256, 32, 128), channels=256), (3, 64, 64)


def leaky(library: Any, nn: Any) -> Net:
    """Convolution, batch norm, leaky ReLU, average pooling."""
    layers: list[Any] = []
    c = 3
    for o in (32, 64, 128):
        layers += [*_conv(nn, c, o, activation=lambda: nn.LeakyReLU(0.1)), nn.AvgPool2d(2)]
        c = o
    return _classifier(nn, *layers, channels=c), (3, 32, 32)


def dilated(library: Any, nn: Any) -> Net:
    """Dilated convolutions at full size, as in context modules (Yu and Koltun 2016)."""
    layers: list[Any] = []
    c = 3
    for d in (1, 1, 2, 4, 8, 1):
        layers += [nn.Conv2d(c, 32, 3, 1, d, d), nn.ReLU()]
        c = 32
    return _classifier(nn, *layers, channels=c), (3, 32, 32)


STYLES: dict[str, Callable[[Any, Any], Net]] = {make.__name__: make for make in (
    mobilenetv2, separable, mobilenet, unet, unet_upsample, signal, groupnorm, instancenorm, gelu, resnet20,
    fire, leaky, dilated)}
BATCHES = dict.fromkeys(STYLES, 32) | {"mobilenetv2": 16, "unet": 8, "unet_upsample": 8, "signal": 64,
                                       "resnet20": 64}
