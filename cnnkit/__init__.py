"""cnnkit trains convolutional networks on any array library, with kernels plugged in per backend."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnkit import (
        advise,
        autograd,
        backends,
        conformance,
        data,
        evaluation,
        functional,
        inspection,
        models,
        nn,
        ops,
        optim,
        random,
        safetensors,
        shapes,
        train,
    )
    from cnnkit.autograd import (
        Tensor,
        enable_grad,
        from_dlpack,
        inference_mode,
        is_grad_enabled,
        no_grad,
        set_grad_enabled,
        tensor,
    )
    from cnnkit.backends import get_num_threads, precision, set_num_threads, use
    from cnnkit.functional import cat, pad, stack
    from cnnkit.inspection import conv_as_matrix, explain, summary

__version__ = "0.1.0"
__all__ = [
    "Tensor", "__version__", "advise", "autograd", "backends", "cat", "conformance", "conv_as_matrix", "data",
    "enable_grad", "evaluation", "explain", "from_dlpack", "functional", "get_num_threads", "inference_mode",
    "inspection", "is_grad_enabled", "models", "nn", "no_grad", "ops", "optim", "pad", "precision", "random",
    "safetensors", "set_grad_enabled", "set_num_threads", "shapes", "stack", "summary", "tensor", "train",
    "use",
]
_MODULES = frozenset({
    "advise", "autograd", "backends", "conformance", "data", "evaluation", "functional", "inspection",
    "models", "nn", "ops", "optim", "random", "safetensors", "shapes", "train",
    "sklearn",  # not in __all__: it needs scikit-learn
})
# name -> module that defines it; looked up on first use, so that `import cnnkit` imports nothing else
_DEFINED_IN = {
    "Tensor": "autograd", "tensor": "autograd", "no_grad": "autograd", "enable_grad": "autograd",
    "from_dlpack": "autograd",
    "set_grad_enabled": "autograd", "inference_mode": "autograd", "is_grad_enabled": "autograd",
    "use": "backends", "get_num_threads": "backends", "precision": "backends", "set_num_threads": "backends",
    "cat": "functional", "pad": "functional", "stack": "functional",
    "explain": "inspection", "summary": "inspection", "conv_as_matrix": "inspection",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"cnnkit.{name}")
    if name in _DEFINED_IN:
        return getattr(importlib.import_module(f"cnnkit.{_DEFINED_IN[name]}"), name)
    if importlib.util.find_spec(f"cnnkit.{name}"):  # `from cnnkit import cli` asks here first
        raise AttributeError(f"module 'cnnkit' has not imported {name!r} yet", name=name)
    suggestions = importlib.import_module("cnnkit.suggestions")
    elsewhere = suggestions.NAMESPACE
    if not name.startswith("_") and name not in elsewhere:  # a layer, a function or an optimizer, perhaps
        packages = [importlib.import_module(f"cnnkit.{package}")
                    for package in ("data", "optim", "nn", "functional")]
        elsewhere = {n: f"use {package.__name__}.{n}" for package in packages for n in package.__all__}
    raise suggestions.attribute_error("module 'cnnkit'", name, __all__, elsewhere)


def __dir__() -> list[str]:
    return sorted(__all__)
