"""Cases of the convolution and the linear map."""

from __future__ import annotations

from typing import Any

from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.tolerance import EXACT, SUMS
from cnnkit.shapes import conv_output_shape

__all__ = ["CASES", "CONV"]

CONV: dict[str, Any] = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
SAME = ((1, 1), (1, 1))


def conv(name: str, x: tuple[Any, ...], weight: tuple[Any, ...], *, bias: bool = True, kind: str = "normal",
         grad: bool = True, half: bool = False, channels_last: bool = False, **attrs: Any) -> OpCase:
    """A convolution, from the shapes of its input and weight."""
    drawn = (Draw(x, kind, grad), Draw(weight, "eighths" if kind == "eighths" else "normal", grad),
             Draw(weight[:1], "eighths" if kind == "eighths" else "normal", grad) if bias else None)
    return OpCase("conv", name, drawn, {**CONV, **attrs}, EXACT if kind == "eighths" else SUMS, half=half,
                  smooth=kind == "normal", channels_last=channels_last)


def vectors(name: str, x: tuple[Any, ...], weight: tuple[Any, ...], **attrs: Any) -> OpCase:
    """A convolution whose channels can be read 16 bytes at once, in 16 bits too: on tensor cores."""
    return conv(f"vectors-{name}", x, weight, half=True, channels_last=True, **attrs)


def linear(name: str, x: tuple, weight: tuple, *, bias: bool = True, half: bool = False) -> OpCase:
    """A linear map, from the shapes of its input and weight."""
    return OpCase("linear", name, (Draw(x), Draw(weight), Draw(weight[:1]) if bias else None), {}, SUMS,
                  half=half)


def conv_input(name: str, x: tuple, weight: tuple, **attrs: Any) -> OpCase:
    """The input's gradient of a convolution, from the shapes of its input and weight."""
    window = {**CONV, **attrs}
    dy = conv_output_shape(x, weight, **window)
    return OpCase("conv_input", name, (Draw(dy), Draw(weight)), {"size": x[2:], **window},
                  SUMS, half=name == "plain")


def conv_filters(name: str, x: tuple, weight: tuple, **attrs: Any) -> OpCase:
    """The filters' gradient of a convolution, from the shapes of its input and weight."""
    window = {**CONV, **attrs}
    dy = conv_output_shape(x, weight, **window)
    return OpCase("conv_filters", name, (Draw(x), Draw(dy)), {"kernel_size": weight[2:], **window}, SUMS,
                  half=name == "plain")


AXIS: dict[str, Any] = {"stride": (1,), "padding": ((0, 0),), "dilation": (1,)}
# name, shapes of input and weight, attributes
PRODUCTS: tuple[tuple[str, tuple, tuple, dict[str, Any]], ...] = (
    ("plain", (2, 3, 6, 5), (4, 3, 3, 3), {}),
    ("same", (1, 2, 5, 6), (3, 2, 3, 3), {"padding": SAME}),
    ("stride-2", (2, 3, 7, 8), (4, 3, 3, 3), {"stride": (2, 2), "padding": SAME}),
    ("stride-leaves-a-rest", (1, 2, 8, 9), (2, 2, 2, 3), {"stride": (3, 2)}),
    ("stride-larger-than-kernel", (1, 2, 8, 7), (2, 2, 2, 2), {"stride": (3, 4)}),
    ("dilation-asymmetric-padding", (1, 2, 8, 7), (3, 2, 3, 2),
     {"dilation": (2, 3), "padding": ((1, 0), (0, 2))}),
    ("groups", (2, 4, 5, 5), (6, 2, 3, 3), {"groups": 2, "padding": SAME}),
    ("depthwise", (1, 5, 5, 6), (5, 1, 3, 3), {"groups": 5, "stride": (2, 1)}),
    ("depthwise-many-channels", (2, 18, 6, 8), (18, 1, 3, 3), {"groups": 18, "padding": SAME}),
    ("1x1", (2, 4, 3, 5), (5, 4, 1, 1), {}),
    ("many-channels", (1, 17, 4, 3), (16, 17, 2, 2), {}),
    ("batch-0", (0, 3, 5, 5), (2, 3, 3, 3), {}),
    ("1d-stride-2", (2, 3, 9), (4, 3, 4), {"stride": (2,), "padding": ((1, 1),), "dilation": (1,)}),
    ("3d", (1, 2, 4, 3, 4), (3, 2, 2, 2, 3),
     {"stride": (2, 1, 1), "padding": ((0, 0), (1, 0), (0, 0)), "dilation": (1, 1, 1)}),
)

CASES = (
    conv("3x3", (2, 3, 6, 7), (4, 3, 3, 3), half=True),
    conv("exact-sums", (2, 2, 5, 5), (3, 2, 3, 3), kind="eighths", padding=SAME),
    conv("same", (2, 3, 5, 6), (4, 3, 3, 3), padding=SAME, half=True),
    conv("same-5x5", (1, 2, 6, 5), (3, 2, 5, 5), padding=((2, 2), (2, 2))),
    conv("one-channel-image", (2, 1, 8, 8), (8, 1, 3, 3), padding=SAME),
    conv("1x1", (2, 4, 3, 5), (5, 4, 1, 1), half=True),
    conv("1x1-stride-2", (2, 3, 5, 4), (2, 3, 1, 1), stride=(2, 2)),
    conv("1x1-padded", (1, 2, 3, 3), (2, 2, 1, 1), padding=SAME),
    conv("no-bias", (2, 2, 5, 5), (3, 2, 3, 3), bias=False),
    conv("even-kernel-2x4", (2, 2, 5, 7), (3, 2, 2, 4)),
    conv("row-kernel-1x3", (1, 2, 4, 6), (2, 2, 1, 3), padding=((0, 0), (1, 1))),
    conv("column-kernel-5x1", (1, 2, 7, 3), (2, 2, 5, 1)),
    conv("stride-2", (2, 3, 7, 8), (4, 3, 3, 3), stride=(2, 2), padding=SAME, half=True),
    conv("stride-unequal", (1, 2, 9, 7), (3, 2, 3, 2), stride=(3, 1)),
    conv("stride-larger-than-kernel", (2, 2, 8, 9), (2, 2, 2, 2), stride=(3, 4)),
    conv("stride-leaves-a-rest", (1, 2, 8, 8), (2, 2, 3, 3), stride=(3, 3)),
    conv("padding-asymmetric", (2, 2, 5, 5), (3, 2, 3, 3), padding=((0, 1), (2, 0))),
    conv("padding-asymmetric-stride-2", (1, 3, 6, 6), (2, 3, 3, 3), padding=((0, 1), (0, 1)), stride=(2, 2)),
    conv("padding-wider-than-kernel", (1, 1, 3, 3), (2, 1, 2, 2), padding=((3, 3), (3, 3))),
    conv("dilation-2", (2, 2, 8, 7), (3, 2, 3, 3), dilation=(2, 2), padding=((2, 2), (2, 2))),
    conv("dilation-unequal", (1, 2, 8, 9), (2, 2, 3, 2), dilation=(1, 3)),
    conv("dilation-stride", (1, 2, 9, 9), (2, 2, 2, 3), dilation=(3, 2), stride=(2, 2),
         padding=((1, 0), (0, 1))),
    conv("groups-2", (2, 4, 5, 5), (6, 2, 3, 3), groups=2, padding=SAME),
    conv("groups-3-stride-2-dilation-2", (1, 6, 9, 8), (3, 2, 3, 3), groups=3, stride=(2, 2), dilation=(2, 2),
         bias=False),
    conv("depthwise", (2, 5, 5, 6), (5, 1, 3, 3), groups=5, padding=SAME, half=True),
    conv("depthwise-multiplier-2", (2, 3, 5, 5), (6, 1, 3, 3), groups=3, stride=(2, 2)),
    conv("depthwise-8-channels", (1, 8, 6, 5), (8, 1, 3, 3), groups=8, padding=SAME),
    conv("depthwise-19-channels", (2, 19, 7, 9), (19, 1, 3, 3), groups=19, padding=SAME),
    conv("depthwise-16-channels-stride-2", (1, 16, 7, 11), (16, 1, 3, 3), groups=16, padding=SAME,
         stride=(2, 2)),
    conv("depthwise-17-channels-dilation-5x5", (1, 17, 11, 9), (17, 1, 5, 5), groups=17, dilation=(2, 1),
         padding=((4, 3), (2, 2)), bias=False),
    conv("depthwise-33-channels-nan", (1, 33, 4, 5), (33, 1, 2, 3), kind="nan", grad=False, groups=33),
    conv("few-channels-many-filters", (1, 2, 5, 6), (37, 2, 3, 3), padding=SAME),
    conv("8-to-16-channels", (1, 8, 6, 5), (16, 8, 3, 3), padding=SAME),
    conv("odd-channels", (3, 7, 4, 4), (9, 7, 3, 3), padding=SAME),
    conv("many-channels", (1, 17, 3, 3), (19, 17, 2, 2)),
    conv("one-pixel-map", (2, 3, 1, 1), (4, 3, 3, 3), padding=SAME),
    conv("kernel-covers-image", (2, 3, 4, 5), (3, 3, 4, 5)),
    conv("batch-1", (1, 3, 5, 5), (2, 3, 3, 3), padding=SAME),
    conv("batch-0", (0, 3, 5, 5), (2, 3, 3, 3), padding=SAME),
    conv("batch-0-groups", (0, 4, 5, 5), (4, 2, 3, 3), groups=2),
    conv("nan-stays-in-its-windows", (1, 2, 5, 6), (2, 2, 3, 3), kind="nan", grad=False),

    vectors("3x3", (1, 16, 5, 4), (8, 16, 3, 3), padding=SAME),
    vectors("stride-2", (1, 16, 5, 4), (8, 16, 3, 2), padding=SAME, stride=(2, 1), bias=False),
    vectors("1x1", (3, 24, 3, 5), (16, 24, 1, 1)),
    vectors("1x1-odd-filters", (2, 24, 3, 5), (21, 24, 1, 1)),
    vectors("groups-dilation-stride", (1, 32, 4, 3), (16, 16, 2, 2), groups=2, dilation=(2, 1), stride=(2, 3),
            padding=((1, 0), (0, 2))),
    vectors("nan", (1, 16, 4, 5), (8, 16, 3, 3), kind="nan", grad=False),

    # -- other ranks: stride and dilation have one number for each axis --
    conv("1d", (2, 3, 9), (4, 3, 3), half=True, **AXIS),
    conv("1d-exact-sums", (2, 2, 8), (3, 2, 3), kind="eighths", **AXIS | {"padding": ((1, 1),)}),
    conv("1d-stride-dilation-groups", (2, 4, 11), (6, 2, 3), bias=False, stride=(2,),
         dilation=(2,), padding=((2, 1),), groups=2),
    conv("1d-many-channels", (2, 17, 5), (18, 17, 3), **AXIS | {"padding": ((1, 1),)}),
    conv("1d-pointwise", (1, 5, 7), (3, 5, 1), **AXIS),
    conv("1d-batch-0", (0, 3, 6), (2, 3, 3), **AXIS),
    conv("3d", (2, 2, 4, 3, 5), (3, 2, 2, 3, 2), stride=(1, 1, 1),
         padding=((0, 0), (1, 1), (1, 0)), dilation=(1, 1, 1)),
    conv("3d-stride-groups", (1, 4, 5, 4, 5), (2, 2, 2, 2, 3), stride=(2, 1, 2), padding=((0, 0),) * 3,
         dilation=(1, 2, 1), groups=2),

    # -- the input's gradient: transposed convolution --
    *(conv_input(name, x, weight, **attrs) for name, x, weight, attrs in PRODUCTS),
    # -- the filters' gradient --
    *(conv_filters(name, x, weight, **attrs) for name, x, weight, attrs in PRODUCTS),

    linear("matrix", (4, 5), (3, 5), half=True),
    linear("no-bias", (4, 5), (3, 5), bias=False),
    linear("one-output", (3, 6), (1, 6)),
    linear("batch-1", (1, 7), (5, 7)),
    linear("batch-0", (0, 4), (3, 4)),
    linear("three-axes", (2, 3, 4), (5, 4)),
    linear("vector", (4,), (3, 4)),
    linear("wide", (3, 67), (11, 67)),

    # -- windows as columns, and back --
    *(OpCase(op, name, (Draw(x if op == "unfold" else columns),),
             {**({} if op == "unfold" else {"size": x[2:]}), "kernel_size": kernel, "stride": stride,
              "padding": padding, "dilation": dilation}, SUMS, half=name == "overlapping")
      for op in ("unfold", "fold") for name, x, columns, kernel, stride, padding, dilation in (
          ("overlapping", (2, 3, 5, 4), (2, 18, 12), (2, 3), (1, 1), ((0, 0), (0, 1)), (1, 1)),
          ("dilated", (1, 2, 7, 6), (1, 8, 9), (2, 2), (2, 3), ((0, 0), (1, 1)), (2, 1)),
          ("1d", (2, 2, 7), (2, 6, 3), (3,), (2,), ((0, 0),), (1,)),
          ("batch-0", (0, 2, 3, 3), (0, 8, 4), (2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)))),
)
