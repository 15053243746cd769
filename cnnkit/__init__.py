"""cnnkit trains convolutional networks on any array library: layers written once, kernels plugged in per backend."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {  # public name -> module that defines it; looked up on first use, so that `import cnnkit` imports nothing
    "Tensor": "autograd", "tensor": "autograd", "no_grad": "autograd", "enable_grad": "autograd", "use": "backends",
    "cat": "functional", "pad": "functional", "stack": "functional",
    "summary": "models", "conv_as_matrix": "models",
}
_MODULES = ("autograd", "backends", "conformance", "data", "functional", "models", "nn", "ops", "optim", "random", "shapes", "train")
__all__ = ["__version__", *_WHERE, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"cnnkit.{name}")
    if name in _WHERE:
        return getattr(importlib.import_module(f"cnnkit.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'cnnkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from cnnkit import autograd, backends, conformance, data, functional, models, nn, ops, optim, random, shapes, train
    from cnnkit.autograd import Tensor, enable_grad, no_grad, tensor
    from cnnkit.backends import use
    from cnnkit.functional import cat, pad, stack
    from cnnkit.models import conv_as_matrix, summary
