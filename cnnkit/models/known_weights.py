"""The entries of `cnnkit.models.weights`; each checksum was computed from the file itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnkit.data import Preprocessing
from cnnkit.data.datasets import CIFAR10

__all__ = ["KNOWN", "class_names"]

# the file has Caffe's names; SqueezeNet's Fire modules stand between poolings in `features`
_FIRE = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}
_SQUEEZENET_KEYS = ((r"^conv1\.", "features.0."), (r"^conv10\.", "classifier.1."),
                    *((rf"^fire{n}\.", f"features.{place}.") for n, place in _FIRE.items()),
                    (r"\.squeeze1x1\.", ".squeeze."))

_BGR_MEAN = (103.939, 116.779, 123.68)
_SQUEEZENET: dict[str, Any] = {
    "architecture": "squeezenet1_1",
    "file": "squeezenet1_1_bgr.safetensors",
    "sha256": "8ae6a345fd9e9ddf689d6ae3a5ad717a8825eee42ba1b54aac490a8b8c8119ea",
    "url": "https://github.com/primozgodec/ndf",
    "licence": "MIT",
    "accuracy": {"ImageNet top-1": 0.575, "ImageNet top-5": 0.803},
    "accuracy_source": "Iandola et al. 2016, of SqueezeNet 1.0, to which its authors made 1.1 equal",
    "parameters": 1_235_496,
    "keys": _SQUEEZENET_KEYS,
}

KNOWN: dict[str, dict[str, Any]] = {
    "squeezenet1_1": {
        **_SQUEEZENET, "reverse": "features.0.weight",
        "preprocessing": Preprocessing(256, (224, 224), _BGR_MEAN[::-1], (1.0,) * 3, "RGB", 255)},
    "squeezenet1_1_bgr": {
        **_SQUEEZENET,
        "preprocessing": Preprocessing(256, (224, 224), _BGR_MEAN, (1.0,) * 3, "BGR", 255)},
    "cifar10_resnet20": {
        "architecture": "cifar_resnet20",
        "file": "cifar10_resnet20.safetensors",
        "sha256": "02926273efb1deadb6dc654c7087baea932ef2026d9f854680d6858146d85838",
        "url": "https://github.com/akamaster/pytorch_resnet_cifar10",
        "licence": "BSD-2-Clause",
        "accuracy": {"CIFAR-10": 0.9173},
        "accuracy_source": "its README, 8.27 % test error",
        "parameters": 269_722,
        "preprocessing": Preprocessing((32, 32), (32, 32), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        "class_names_of": "cifar10", "input_shape": (3, 32, 32)},
}


def class_names(of: str) -> tuple[str, ...]:
    """The names of a data set's classes, in the order of its labels.

    >>> class_names("imagenet")[0], len(class_names("imagenet")), class_names("cifar10")[:2]
    ('tench', 1000, ('airplane', 'automobile'))
    """
    if of == "cifar10":
        return CIFAR10.names
    text = (Path(__file__).parent / "imagenet_classes.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if not line.startswith("#"))
