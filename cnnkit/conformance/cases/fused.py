"""Cases of fused kernels: a key, and the inputs and attributes of its ops one after the other.

The same cases hold for a backend without the key: it runs the ops one by one, and the results are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from cnnkit.conformance.cases.conv import CONV
from cnnkit.conformance.cases.norm import BATCH_NORM, parameters
from cnnkit.conformance.cases.pool import AVG, MAX
from cnnkit.conformance.cases.resampling import PLAIN
from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.tolerance import EXACT, SUMS

__all__ = ["CASES", "chain"]

SAME = ((1, 1), (1, 1))
DEFAULTS: dict[str, dict[str, Any]] = {"conv": CONV, "batch_norm": BATCH_NORM, "max_pool": MAX,
                                       "avg_pool": AVG}


def chain(key: Sequence[str], name: str, x: tuple[Any, ...], weight: tuple[Any, ...], *, bias: bool = True,
          grad: bool = True, exact: bool = False, half: bool = False, addend: tuple[Any, ...] | None = None,
          **attrs: dict[str, Any]) -> OpCase:
    """A fused case that begins with a convolution or a linear map; `attrs` changes attributes of single ops.

    Exact cases draw multiples of 1/8: then the sums are exact, and maxima tie on every backend at the same
    places. Without `grad` the images need no gradient, as in a network's first layer: some kernels serve only
    such calls. `addend` is the shape of what ``add`` adds.
    """
    kind = "eighths" if exact else "normal"
    inputs: list = [Draw(x, kind, grad), Draw(weight, kind), Draw(weight[:1], kind) if bias else None]
    counts = [3]
    for op in key[1:]:
        C = weight[:1]
        others = ([Draw(C), Draw(C), Draw(C, grad=False), Draw(C, "positive", grad=False)]
                  if op == "batch_norm" else [Draw(addend)] if op == "add" and addend else [])
        inputs += others
        counts.append(len(others))
    return OpCase(tuple(key), name, tuple(inputs),
                  tuple({**DEFAULTS.get(op, {}), **attrs.get(op, {})} for op in key),
                  EXACT if exact else SUMS, tuple(counts), half=half, smooth=False)


def norm_relu(name: str, x: tuple, *, half: bool = False, mixed: bool = False, **attrs: Any) -> OpCase:
    """A case of batch normalisation and the ReLU behind it; `mixed` ones have parameters of float32."""
    inputs = (Draw(x), *parameters(x, mixed=mixed))
    return OpCase(("batch_norm", "relu"), name, inputs, ({**BATCH_NORM, **attrs}, {}), SUMS, (5, 0),
                  half=half or mixed, smooth=False)


# an activation -> its settings
ACTIVATIONS: dict[str, dict[str, Any]] = {
    "leaky_relu": {"negative_slope": 0.1}, "hardtanh": {"min_val": -0.5, "max_val": 1.0}, "hardswish": {},
    "hardsigmoid": {}, "sigmoid": {}, "tanh": {}, "silu": {}, "gelu": {"approximate": "none"},
    "elu": {"alpha": 0.75}, "celu": {"alpha": 0.5}, "selu": {}, "mish": {}}


def norm_activations(name: str, x: tuple, *, affine: bool = True, grad: bool = True, last: bool = False,
                     **attrs: Any) -> Iterator[OpCase]:
    """Batch normalisation and each of the `ACTIVATIONS` behind it."""
    C = x[1:2]
    scale = (Draw(C), Draw(C)) if affine else (None, None)
    inputs = (Draw(x, grad=grad), *scale, Draw(C, grad=False), Draw(C, "positive", grad=False))
    for op, settings in ACTIVATIONS.items():
        yield OpCase(("batch_norm", op), name, inputs, ({**BATCH_NORM, **attrs}, settings), SUMS, (5, 0),
                     smooth=False, channels_last=last)


def without_gradients(case: OpCase) -> OpCase:
    """The same case where no input needs a gradient."""
    inputs = tuple(replace(drawn, grad=False) if isinstance(drawn, Draw) else drawn for drawn in case.inputs)
    return replace(case, name=f"{case.name}-without-gradients", inputs=inputs)


CONV_RELU, CONV_RELU_POOL = ("conv", "relu"), ("conv", "relu", "max_pool")
CONV_LEAKY, SLOPE = ("conv", "leaky_relu"), {"negative_slope": 0.1}
CONV_NORM, CONV_NORM_RELU = ("conv", "batch_norm"), ("conv", "batch_norm", "relu")
EVAL: dict[str, Any] = {"batch_norm": {"training": False}}


def inferred() -> Iterator[OpCase]:
    """What may follow a convolution within its kernel where nobody wants gradients; the channels are few,
    many, and each with its own filter.
    """
    shapes: Any = (("few", (2, 3, 5, 4), (5, 3, 3, 3), {}), ("many", (1, 17, 2, 3), (19, 17, 1, 1), {}),
                   ("depthwise", (1, 19, 4, 5), (19, 1, 3, 3), {"groups": 19}))
    for name, x, weight, conv in shapes:
        padding = SAME if weight[2] == 3 else ((0, 0), (0, 0))
        settings: Any = {"conv": {**conv, "padding": padding}, "hardtanh": ACTIVATIONS["hardtanh"]}
        y = (x[0], weight[0], *x[2:])
        yield chain(("conv", "hardtanh"), f"infer-{name}", x, weight, **settings)
        yield chain((*CONV_NORM, "silu"), f"infer-{name}", x, weight, bias=False, **settings, **EVAL)
        yield chain((*CONV_NORM, "add"), f"infer-{name}", x, weight, addend=y, **settings, **EVAL)
        yield chain((*CONV_NORM, "add", "hardtanh"), f"infer-{name}", x, weight, bias=False, addend=y,
                    **settings, **EVAL)
        yield chain((*CONV_NORM, "add", "relu"), f"infer-{name}-addend-for-each-channel", x, weight,
                    addend=(y[1], 1, 1), **settings, **EVAL)


CASES = (
    chain(CONV_RELU, "same", (2, 3, 5, 6), (4, 3, 3, 3), conv={"padding": SAME}, half=True),
    chain(CONV_RELU, "zeros-are-flat", (2, 2, 5, 5), (3, 2, 2, 2), exact=True),
    chain(CONV_RELU, "no-bias-stride-2", (2, 3, 7, 6), (4, 3, 3, 3), bias=False, conv={"stride": (2, 2)}),
    chain(CONV_RELU, "groups-dilation-asymmetric", (1, 4, 7, 7), (4, 2, 3, 3),
          conv={"groups": 2, "dilation": (2, 1), "padding": ((1, 0), (0, 2))}),
    chain(CONV_RELU, "1x1-odd-channels", (2, 5, 3, 4), (7, 5, 1, 1)),
    chain(CONV_RELU, "batch-0", (0, 3, 5, 5), (2, 3, 3, 3)),
    chain(CONV_RELU_POOL, "common", (2, 1, 8, 8), (4, 1, 3, 3), exact=True, conv={"padding": SAME},
          half=True),
    chain(CONV_RELU_POOL, "distinct-values", (2, 3, 6, 6), (4, 3, 3, 3), conv={"padding": SAME}),
    chain(CONV_RELU_POOL, "valid-odd-size", (2, 2, 7, 9), (3, 2, 3, 3), exact=True),
    chain(CONV_RELU_POOL, "no-bias", (1, 3, 6, 6), (5, 3, 3, 3), exact=True, bias=False),
    chain(CONV_RELU_POOL, "first-layer", (2, 1, 8, 8), (4, 1, 3, 3), exact=True, grad=False,
          conv={"padding": SAME}),
    chain(CONV_RELU_POOL, "first-layer-distinct-values", (3, 1, 6, 6), (5, 1, 3, 3), grad=False),
    chain(CONV_RELU_POOL, "first-layer-no-bias-stride-2", (2, 2, 9, 9), (9, 2, 3, 3), exact=True, grad=False,
          bias=False, conv={"padding": SAME, "stride": (2, 2)}),
    chain(CONV_RELU_POOL, "first-layer-windows-3x2", (1, 2, 8, 6), (37, 2, 3, 3), exact=True, grad=False,
          conv={"padding": SAME}, max_pool={"kernel_size": (3, 2), "stride": (3, 2)}),
    chain(CONV_RELU_POOL, "windows-3x2", (1, 2, 8, 6), (37, 2, 3, 3), exact=True, conv={"padding": SAME},
          max_pool={"kernel_size": (3, 2), "stride": (3, 2)}),
    chain(CONV_RELU_POOL, "8-to-16-channels", (1, 8, 6, 6), (16, 8, 3, 3), exact=True,
          conv={"padding": SAME}),
    chain(CONV_RELU_POOL, "overlapping-padded-pool", (1, 2, 6, 7), (3, 2, 3, 3), exact=True,
          conv={"padding": SAME}, max_pool={"kernel_size": (3, 3), "padding": SAME}),
    chain(CONV_RELU_POOL, "ceil-mode-stride-2", (1, 2, 9, 9), (3, 2, 3, 3), exact=True,
          conv={"stride": (2, 2), "padding": SAME}, max_pool={"ceil_mode": True}),
    chain(CONV_RELU_POOL, "depthwise-dilated-pool", (1, 3, 8, 8), (3, 1, 3, 3), exact=True,
          conv={"groups": 3}, max_pool={"dilation": (2, 2)}),
    chain(CONV_RELU_POOL, "batch-0", (0, 1, 8, 8), (4, 1, 3, 3)),
    chain(CONV_RELU_POOL, "5x5-odd-channels", (2, 5, 9, 8), (3, 5, 5, 5), exact=True,
          conv={"padding": ((2, 2), (2, 2))}),
    chain((*CONV_RELU, "avg_pool"), "common", (2, 2, 6, 6), (3, 2, 3, 3), conv={"padding": SAME}),
    chain((*CONV_RELU, "avg_pool"), "5-channels", (2, 5, 7, 6), (3, 5, 3, 3), conv={"padding": SAME}),
    chain(CONV_LEAKY, "same", (2, 3, 5, 6), (4, 3, 3, 3), conv={"padding": SAME}, leaky_relu=SLOPE),
    chain((*CONV_LEAKY, "max_pool"), "common", (2, 4, 6, 6), (5, 4, 3, 3), conv={"padding": SAME},
          leaky_relu=SLOPE),
    chain((*CONV_LEAKY, "max_pool"), "falling", (2, 2, 6, 6), (3, 2, 3, 3), conv={"padding": SAME},
          leaky_relu={"negative_slope": -0.5}),
    chain((*CONV_LEAKY, "avg_pool"), "common", (2, 4, 6, 6), (5, 4, 3, 3), conv={"padding": SAME},
          leaky_relu=SLOPE),
    chain(("conv", "sigmoid", "max_pool"), "common", (2, 4, 6, 6), (5, 4, 3, 3), conv={"padding": SAME}),
    chain(("conv", "silu", "max_pool"), "common", (2, 4, 6, 6), (5, 4, 3, 3), conv={"padding": SAME}),
    chain(("conv", "max_pool"), "common", (2, 2, 6, 6), (3, 2, 3, 3), exact=True,
          conv={"padding": SAME}),
    chain(CONV_NORM, "training", (3, 2, 4, 4), (3, 2, 3, 3), bias=False),
    chain(CONV_NORM_RELU, "training", (3, 2, 5, 4), (3, 2, 3, 3), bias=False, conv={"padding": SAME}),
    chain(CONV_NORM_RELU, "training-bias-stride-2", (2, 3, 5, 5), (4, 3, 3, 3),
          conv={"padding": SAME, "stride": (2, 2)}),
    chain(CONV_NORM_RELU, "eval", (2, 2, 5, 4), (3, 2, 3, 3), bias=False, batch_norm={"training": False}),
    *map(without_gradients, (
        chain(CONV_NORM, "eval", (3, 2, 6, 6), (3, 2, 2, 2), **EVAL),
        chain(CONV_NORM, "eval-groups-1d", (2, 4, 20), (6, 2, 3), bias=False, **EVAL,
              conv={"stride": (1,), "padding": ((1, 1),), "dilation": (1,), "groups": 2}),
        chain(CONV_NORM_RELU, "eval", (3, 2, 6, 6), (4, 2, 3, 3), bias=False, conv={"padding": SAME}, **EVAL),
        chain((*CONV_NORM, "silu"), "eval", (3, 2, 6, 6), (4, 2, 2, 2), **EVAL),
        chain((*CONV_NORM_RELU, "max_pool"), "eval", (3, 2, 8, 8),
              (4, 2, 3, 3), conv={"padding": SAME}, **EVAL),
        chain(CONV_NORM_RELU, "eval-few-pixels", (1, 3, 3, 3), (4, 3, 3, 3), **EVAL),
        *inferred())),
    chain(CONV_NORM_RELU, "batch-0", (0, 2, 4, 4), (3, 2, 3, 3)),
    chain(("conv", "avg_pool"), "common", (2, 2, 6, 7), (5, 2, 3, 3)),
    chain((*CONV_NORM_RELU, "max_pool"), "training", (2, 2, 6, 6), (3, 2, 3, 3), conv={"padding": SAME}),
    norm_relu("training", (3, 4, 5, 3), half=True),
    norm_relu("training-mixed", (3, 8, 5, 3), mixed=True),
    norm_relu("training-matrix-odd", (7, 5)),
    norm_relu("eval-mixed", (2, 3, 4, 4), mixed=True, training=False),
    norm_relu("eval", (2, 3, 4, 4), training=False),
    norm_relu("eval-batch-0", (0, 3, 4, 4), training=False),
    *norm_activations("training", (3, 4, 5, 3)),
    *norm_activations("training-channels-last", (2, 19, 5, 3), last=True),
    *norm_activations("eval-channels-last-no-affine", (2, 5, 3, 4), affine=False, training=False, last=True),
    *norm_activations("only-parameters-have-gradients-channels-last", (3, 7, 2, 3), grad=False, last=True),
    *norm_activations("only-parameters-have-gradients", (3, 2, 7), grad=False),
    chain(("linear", "relu"), "matrix", (4, 5), (3, 5)),
    chain(("linear", "relu"), "zeros-are-flat", (4, 3), (5, 3), exact=True),
    chain(("linear", "relu"), "no-bias-batch-0", (0, 5), (3, 5), bias=False),
    # a graph has one operator for each of these
    OpCase(("conv_input", "add"), "bias", (Draw((2, 3, 2, 2)), Draw((3, 4, 2, 3)), Draw((1, 4, 1, 1))),
           ({**CONV, "size": (4, 6), "stride": (2, 3)}, {}), SUMS, (2, 1)),
    OpCase(("resample", "resample"), "images", (Draw((2, 2, 3, 4)),),
           tuple({**PLAIN, "axis": axis, "size": size, "mode": "linear"} for axis, size in ((3, 8), (2, 6))),
           SUMS, (1, 0)),
)
