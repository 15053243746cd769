"""cnnkit trains convolutional networks on any array library, with kernels plugged in per backend."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnkit import (
        accelerator,
        advise,
        autograd,
        backends,
        conformance,
        cuda,
        data,
        evaluation,
        functional,
        inspection,
        jit,
        linalg,
        models,
        nn,
        ops,
        optim,
        random,
        safetensors,
        shapes,
        train,
        utils,
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
    from cnnkit.autograd.constants import *
    from cnnkit.autograd.creation import *
    from cnnkit.autograd.functions import *
    from cnnkit.backends import (
        can_cast,
        device,
        dtype,
        finfo,
        get_default_dtype,
        get_num_threads,
        iinfo,
        precision,
        promote_types,
        result_type,
        set_default_dtype,
        set_num_threads,
        use,
    )
    from cnnkit.backends.named_dtypes import *
    from cnnkit.functional import dropout, pad
    from cnnkit.inspection import conv_as_matrix, explain, summary
    from cnnkit.jit import compile
    from cnnkit.random import Generator, initial_seed, manual_seed

__version__ = "0.1.0"
_MODULES = frozenset({
    "accelerator", "advise", "autograd", "backends", "conformance", "cuda", "data", "evaluation",
    "functional", "inspection", "jit", "linalg", "models", "nn", "ops", "optim", "random", "safetensors",
    "shapes", "train", "utils", "xp",
    "sklearn",  # not in __all__: it needs scikit-learn
})
# name -> module that defines it; looked up on first use, so that `import cnnkit` imports nothing else.
# Whatever is not here may be one of `autograd.functions`
_DEFINED_IN = {name: module for module, names in {
    "autograd": """Tensor tensor from_dlpack no_grad enable_grad set_grad_enabled inference_mode
        is_grad_enabled""",
    "autograd.creation": """as_tensor asarray from_numpy BFloat16Tensor BoolTensor ByteTensor CharTensor
        DoubleTensor FloatTensor HalfTensor IntTensor LongTensor ShortTensor""",
    "autograd.constants": """Size channels_last channels_last_3d contiguous_format e inf nan newaxis pi
        preserve_format strided""",
    "backends": """can_cast device dtype finfo get_default_dtype get_num_threads iinfo precision promote_types
        result_type set_default_dtype set_num_threads use""",
    "backends.named_dtypes": """bfloat16 bool cdouble cfloat complex128 complex64 double float float16 float32
        float64 half int int16 int32 int64 int8 long short uint16 uint32 uint64 uint8""",
    "functional": "dropout pad",
    "inspection": "explain summary conv_as_matrix",
    "jit": "compile",
    "random": "Generator initial_seed manual_seed",
}.items() for name in names.split()}
# `from cnnkit import *` leaves Python's own types as they are
_NAMES = {"__version__", *_MODULES, *_DEFINED_IN} - {"sklearn", "bool", "float", "int"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"cnnkit.{name}")
    if name in _DEFINED_IN:
        return getattr(importlib.import_module(f"cnnkit.{_DEFINED_IN[name]}"), name)
    functions = importlib.import_module("cnnkit.autograd.functions")
    if name in functions.__all__:
        return getattr(functions, name)
    if name == "__all__":
        return __dir__()
    if importlib.util.find_spec(f"cnnkit.{name}"):  # `from cnnkit import cli` asks here first
        raise AttributeError(f"module 'cnnkit' has not imported {name!r} yet", name=name)
    suggestions = importlib.import_module("cnnkit.suggestions")
    elsewhere = suggestions.NAMESPACE
    if not name.startswith("_") and name not in elsewhere:  # a layer, a function or an optimizer, perhaps
        packages = [importlib.import_module(f"cnnkit.{package}")
                    for package in ("data", "optim", "nn", "functional")]
        elsewhere = {n: f"use {package.__name__}.{n}" for package in packages for n in package.__all__}
    raise suggestions.attribute_error("module 'cnnkit'", name, __dir__(), elsewhere)


def __dir__() -> list[str]:
    functions = importlib.import_module("cnnkit.autograd.functions")
    return sorted(_NAMES | set(functions.__all__))
