"""cnnkit trains convolutional networks on any array library, with kernels plugged in per backend."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `as` says to type checkers that a name is public
    from cnnkit import (
        accelerator as accelerator,
        advise as advise,
        amp as amp,
        attribution as attribution,
        autograd as autograd,
        backends as backends,
        capturing as capturing,
        comparing as comparing,
        conformance as conformance,
        cuda as cuda,
        data as data,
        distributed as distributed,
        evaluation as evaluation,
        func as func,
        functional as functional,
        hub as hub,
        inspection as inspection,
        jit as jit,
        linalg as linalg,
        models as models,
        nn as nn,
        ops as ops,
        optim as optim,
        plot as plot,
        profiling as profiling,
        random as random,
        report as report,
        safetensors as safetensors,
        serialization as serialization,
        shapes as shapes,
        train as train,
        transfer_learning as transfer_learning,
        utils as utils,
        version as version,
    )
    from cnnkit.amp import (
        autocast as autocast,
        get_autocast_dtype as get_autocast_dtype,
        is_autocast_enabled as is_autocast_enabled,
    )
    from cnnkit.autograd import (
        Tensor as Tensor,
        enable_grad as enable_grad,
        from_dlpack as from_dlpack,
        inference_mode as inference_mode,
        is_grad_enabled as is_grad_enabled,
        no_grad as no_grad,
        set_grad_enabled as set_grad_enabled,
        tensor as tensor,
    )
    from cnnkit.autograd.anomaly import is_anomaly_enabled as is_anomaly_enabled
    from cnnkit.autograd.constants import *
    from cnnkit.autograd.creation import *
    from cnnkit.autograd.functions import *
    from cnnkit.autograd.in_place_functions import *
    from cnnkit.backends import (
        can_cast as can_cast,
        device as device,
        dtype as dtype,
        finfo as finfo,
        get_default_dtype as get_default_dtype,
        get_num_threads as get_num_threads,
        iinfo as iinfo,
        precision as precision,
        promote_types as promote_types,
        result_type as result_type,
        set_default_dtype as set_default_dtype,
        set_num_threads as set_num_threads,
        use as use,
    )
    from cnnkit.backends.algorithms import *
    from cnnkit.backends.named_dtypes import *
    from cnnkit.backends.printing import set_printoptions as set_printoptions
    from cnnkit.capturing import capture as capture
    from cnnkit.comparing import compare as compare
    from cnnkit.functional import (
        adaptive_avg_pool1d as adaptive_avg_pool1d,
        alpha_dropout as alpha_dropout,
        avg_pool1d as avg_pool1d,
        bilinear as bilinear,
        celu as celu,
        celu_ as celu_,
        channel_shuffle as channel_shuffle,
        conv1d as conv1d,
        conv2d as conv2d,
        conv3d as conv3d,
        conv_transpose1d as conv_transpose1d,
        conv_transpose2d as conv_transpose2d,
        conv_transpose3d as conv_transpose3d,
        cosine_similarity as cosine_similarity,
        dropout as dropout,
        group_norm as group_norm,
        hardshrink as hardshrink,
        layer_norm as layer_norm,
        max_pool1d as max_pool1d,
        max_pool2d as max_pool2d,
        max_pool3d as max_pool3d,
        pad as pad,
        pairwise_distance as pairwise_distance,
        pixel_shuffle as pixel_shuffle,
        pixel_unshuffle as pixel_unshuffle,
        prelu as prelu,
        relu_ as relu_,
        rms_norm as rms_norm,
        rrelu as rrelu,
        rrelu_ as rrelu_,
        selu_ as selu_,
        threshold as threshold,
        threshold_ as threshold_,
    )
    from cnnkit.inspection import conv_as_matrix as conv_as_matrix, explain as explain, summary as summary
    from cnnkit.jit import compile as compile
    from cnnkit.profiling import profile as profile
    from cnnkit.random import Generator as Generator, initial_seed as initial_seed, manual_seed as manual_seed
    from cnnkit.serialization import load as load, save as save
    from cnnkit.transfer_learning import features_at as features_at, transfer as transfer

__version__ = "0.1.0"
_MODULES = frozenset({
    "accelerator", "advise", "amp", "attribution", "autograd", "backends", "capturing", "comparing",
    "conformance", "cuda", "data", "distributed", "evaluation", "func", "functional", "hub", "inspection",
    "jit", "linalg", "models", "nn", "ops", "optim", "plot", "profiling", "random", "report", "safetensors",
    "serialization", "shapes", "train", "transfer_learning", "utils", "version", "xp",
    "onnx", "sklearn",  # not in __all__: they need packages that are optional
})
# name -> module that defines it; looked up on first use, so that `import cnnkit` imports nothing else.
# Whatever is not here may be one of `autograd.functions`
_DEFINED_IN = {name: module for module, names in {
    "amp": "autocast get_autocast_dtype is_autocast_enabled",
    "autograd": """Tensor tensor from_dlpack no_grad enable_grad set_grad_enabled inference_mode
        is_grad_enabled""",
    "autograd.creation": """as_tensor asarray from_numpy BFloat16Tensor BoolTensor ByteTensor CharTensor
        DoubleTensor FloatTensor HalfTensor IntTensor LongTensor ShortTensor""",
    "autograd.constants": """Size channels_last channels_last_3d contiguous_format e inf nan newaxis pi
        preserve_format strided""",
    "autograd.in_place_functions": """
        abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ asin_ asinh_ atan_
        atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ cos_ cosh_ deg2rad_ detach_ erf_ erfc_ exp2_
        exp_ expm1_ fill_ fix_ floor_ frac_ index_put_ log10_ log1p_ log2_ log_ logit_ nan_to_num_ neg_
        negative_ rad2deg_ reciprocal_ round_ rsqrt_ sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ tan_ tanh_
        trunc_ xlogy_ zero_""",
    "backends.algorithms": """are_deterministic_algorithms_enabled get_float32_matmul_precision
        set_float32_matmul_precision use_deterministic_algorithms""",
    "backends.printing": "set_printoptions",
    "backends": """can_cast device dtype finfo get_default_dtype get_num_threads iinfo precision promote_types
        result_type set_default_dtype set_num_threads use""",
    "backends.named_dtypes": """bfloat16 bool cdouble cfloat complex128 complex64 double float float16 float32
        float64 half int int16 int32 int64 int8 long short uint16 uint32 uint64 uint8""",
    "capturing": "capture",
    "comparing": "compare",
    # those that PyTorch too has in both places, with the same arguments
    "functional": """adaptive_avg_pool1d alpha_dropout avg_pool1d bilinear celu celu_ channel_shuffle conv1d
        conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d cosine_similarity dropout
        group_norm hardshrink layer_norm max_pool1d max_pool2d max_pool3d pad pairwise_distance
        pixel_shuffle pixel_unshuffle prelu relu_ rms_norm rrelu rrelu_ selu_ threshold threshold_""",
    "inspection": "explain summary conv_as_matrix",
    "profiling": "profile",
    "jit": "_assert compile",
    "random": "Generator get_rng_state initial_seed manual_seed set_rng_state",
    "autograd.anomaly": "is_anomaly_enabled",
    "serialization": "load save",
    "transfer_learning": "features_at transfer",
    "utils.checkpoint": "checkpoint",
}.items() for name in names.split()}
# `from cnnkit import *` leaves Python's own types as they are
_NAMES = {"__version__", *_MODULES, *_DEFINED_IN} - {"onnx", "sklearn", "bool", "float", "int", "_assert"}


class _OutOfScope:
    """The last whom Python asks for a module that cnnkit has not, as in ``import cnnkit.fx``."""

    @staticmethod
    def find_spec(fullname: str, path: Any = None, target: Any = None) -> None:
        package, _, name = fullname.partition(".")
        if package == "cnnkit":
            advice = importlib.import_module("cnnkit.suggestions").NAMESPACE.get(name)
            if advice:  # without name=, by which `from cnnkit import fx` would know and hide it
                raise ModuleNotFoundError(f"No module named {fullname!r}; {advice}")


sys.meta_path.append(_OutOfScope)  # type: ignore[arg-type]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"cnnkit.{name}")
    if name == "__all__":
        return __dir__()
    home = importlib.import_module(f"cnnkit.{_DEFINED_IN.get(name, 'autograd.functions')}")
    if name in _DEFINED_IN or name in home.__all__:
        value = globals()[name] = getattr(home, name)  # from now on it costs no call
        return value
    suggestions = importlib.import_module("cnnkit.suggestions")
    elsewhere = suggestions.NAMESPACE
    if name not in elsewhere and importlib.util.find_spec(f"cnnkit.{name}"):  # `from cnnkit import cli`
        raise AttributeError(f"module 'cnnkit' has not imported {name!r} yet", name=name)
    if not name.startswith("_") and name not in elsewhere:  # a layer, a function or an optimizer, perhaps
        packages = [importlib.import_module(f"cnnkit.{package}")
                    for package in ("data", "optim", "nn", "functional")]
        elsewhere = {n: f"use {package.__name__}.{n}" for package in packages for n in package.__all__}
    raise suggestions.attribute_error("module 'cnnkit'", name, __dir__(), elsewhere)


def __dir__() -> list[str]:
    functions = importlib.import_module("cnnkit.autograd.functions")
    return sorted(_NAMES | set(functions.__all__))
