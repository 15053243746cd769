"""Cases of pooling."""

from __future__ import annotations

from typing import Any

from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.tolerance import EXACT, ROUNDING
from cnnkit.shapes import pool_output_shape

__all__ = ["AVG", "CASES", "MAX"]

NONE, ONE = ((0, 0), (0, 0)), ((1, 1), (1, 1))
MAX: dict[str, Any] = {"kernel_size": (2, 2), "stride": (2, 2), "padding": NONE, "dilation": (1, 1),
                       "ceil_mode": False}
AVG: dict[str, Any] = {"kernel_size": (2, 2), "stride": (2, 2), "padding": NONE, "ceil_mode": False,
                       "count_include_pad": True, "divisor_override": None}


def maximum(name: str, x: tuple, kind: str = "eighths", *, op: str = "max_pool", half: bool = False,
            **attrs: Any) -> OpCase:
    """A maximum pool; eighths have ties in nearly every window, and the sums of dy are exact."""
    return OpCase(op, name, (Draw(x, kind),), {**MAX, **attrs}, EXACT, half=half, smooth=kind == "normal")


def average(name: str, x: tuple, *, half: bool = False, **attrs: Any) -> OpCase:
    """An average pool."""
    return OpCase("avg_pool", name, (Draw(x),), {**AVG, **attrs}, ROUNDING, half=half)


def across(rank: int, **same: Any) -> dict[str, Any]:
    """Attributes of a maximum pool over `rank` axes, the same along each."""
    window = {"kernel_size": 2, "stride": 2, "padding": (0, 0), "dilation": 1, **same}
    return {name: value if name == "ceil_mode" else (value,) * rank for name, value in window.items()}


def averaged(rank: int, **same: Any) -> dict[str, Any]:
    """Attributes of an average pool over `rank` axes, the same along each."""
    return {name: value for name, value in across(rank, **same).items() if name != "dilation"}


def average_input(name: str, x: tuple, **attrs: Any) -> OpCase:
    """The input's gradient of an average pool, from the shape of its input."""
    window = {**AVG, **attrs}
    dilation = (1,) * len(window["kernel_size"])
    dy = pool_output_shape(x, window["kernel_size"], window["stride"], window["padding"], dilation,
                           window["ceil_mode"])
    return OpCase("avg_pool_input", name, (Draw(dy),), {"size": x[2:], **window}, ROUNDING)


CASES = (
    average_input("2x2", (2, 3, 4, 6)),
    average_input("overlapping-padded", (1, 2, 5, 6), kernel_size=(3, 3), stride=(2, 1), padding=ONE),
    average_input("padding-not-counted-ceil", (1, 2, 6, 7), kernel_size=(3, 3), padding=ONE, ceil_mode=True,
                  count_include_pad=False),
    average_input("3d", (1, 2, 4, 5, 4), **averaged(3)),
    average_input("batch-0", (0, 3, 4, 4)),

    maximum("2x2", (2, 3, 4, 6), half=True),
    maximum("distinct-values", (2, 3, 6, 6), "normal"),
    maximum("ties-go-to-the-first", (1, 2, 5, 6), kernel_size=(3, 3), stride=(1, 1)),
    maximum("odd-size-drops-the-rest", (2, 2, 5, 7)),
    maximum("overlapping-3x3-stride-2", (2, 3, 7, 7), kernel_size=(3, 3), padding=ONE, half=True),
    maximum("unequal-kernel-and-stride", (1, 2, 7, 8), kernel_size=(3, 2), stride=(1, 3)),
    maximum("stride-larger-than-kernel", (2, 2, 8, 9), stride=(3, 4)),
    maximum("padding-asymmetric", (1, 2, 5, 5), kernel_size=(3, 3), padding=((0, 1), (1, 0))),
    maximum("padding-is-never-chosen", (1, 2, 4, 4), "lowest", kernel_size=(3, 3), padding=ONE),
    maximum("ceil-mode", (2, 2, 5, 6), ceil_mode=True),
    maximum("ceil-mode-3x3-padded", (1, 3, 6, 7), kernel_size=(3, 3), padding=ONE, ceil_mode=True),
    maximum("ceil-mode-last-window-starts-outside", (1, 2, 3, 3), kernel_size=(2, 2), padding=ONE,
            ceil_mode=True),
    maximum("dilation-2", (2, 2, 7, 8), kernel_size=(3, 3), stride=(1, 1), dilation=(2, 2)),
    maximum("dilation-unequal-padded", (1, 2, 7, 9), kernel_size=(2, 3), stride=(2, 1), padding=ONE,
            dilation=(3, 2)),
    maximum("nan-wins", (2, 3, 5, 5), "nan", kernel_size=(3, 3), stride=(1, 1)),
    maximum("infinities", (2, 2, 6, 6), "inf", kernel_size=(2, 2)),
    maximum("window-of-1x1", (2, 3, 3, 3), kernel_size=(1, 1), stride=(1, 1)),
    maximum("global", (2, 5, 3, 4), kernel_size=(3, 4), stride=(3, 4)),
    maximum("one-pixel-map", (3, 2, 1, 1), kernel_size=(1, 1)),
    maximum("one-pixel-map-padded", (1, 2, 1, 1), kernel_size=(3, 3), padding=ONE),
    maximum("one-window-that-begins-in-the-padding", (2, 3, 2, 2), "normal", kernel_size=(3, 3), padding=ONE),
    maximum("one-row-of-windows", (1, 2, 2, 7), "normal", kernel_size=(3, 3), padding=ONE),
    maximum("batch-1-odd-channels", (1, 7, 4, 4)),
    maximum("batch-0", (0, 3, 4, 4)),

    maximum("2x2", (2, 3, 4, 6), op="max_pool_with_indices"),
    maximum("overlapping-padded", (2, 2, 6, 7), op="max_pool_with_indices", kernel_size=(3, 3),
            padding=ONE),
    maximum("ceil-mode-dilation", (1, 2, 8, 7), op="max_pool_with_indices", dilation=(2, 3),
            ceil_mode=True),
    maximum("nan-wins", (1, 3, 4, 4), "nan", op="max_pool_with_indices"),
    maximum("padding-is-never-chosen", (1, 2, 4, 4), "lowest", op="max_pool_with_indices",
            kernel_size=(3, 3), padding=ONE),
    maximum("batch-0", (0, 3, 4, 4), op="max_pool_with_indices"),

    average("2x2", (2, 3, 4, 6), half=True),
    average("overlapping-3x3-stride-1", (1, 2, 5, 6), kernel_size=(3, 3), stride=(1, 1)),
    average("odd-size-drops-the-rest", (2, 2, 5, 7)),
    average("stride-larger-than-kernel", (2, 2, 8, 9), stride=(3, 4)),
    average("padding-counts", (2, 2, 5, 5), kernel_size=(3, 3), padding=ONE),
    average("padding-does-not-count", (2, 2, 5, 5), kernel_size=(3, 3), padding=ONE, count_include_pad=False),
    average("padding-asymmetric-counts", (1, 2, 5, 6), kernel_size=(3, 3), padding=((0, 1), (1, 0))),
    average("padding-asymmetric-does-not-count", (1, 2, 5, 6), kernel_size=(3, 3), padding=((0, 1), (1, 0)),
            count_include_pad=False),
    average("ceil-mode", (1, 2, 5, 6), ceil_mode=True),
    average("ceil-mode-padding-counts", (1, 2, 6, 7), kernel_size=(3, 3), padding=ONE, ceil_mode=True),
    average("ceil-mode-padding-does-not-count", (1, 2, 6, 7), kernel_size=(3, 3), padding=ONE, ceil_mode=True,
            count_include_pad=False),
    average("divisor-override", (2, 2, 5, 5), kernel_size=(3, 3), stride=(1, 1), divisor_override=5),
    average("global", (2, 5, 3, 4), kernel_size=(3, 4), stride=(3, 4)),
    average("one-pixel-map", (3, 2, 1, 1), kernel_size=(1, 1)),
    average("batch-1-odd-channels", (1, 7, 4, 4)),
    average("batch-0", (0, 3, 4, 4)),

    *(OpCase(op, name, (Draw(x, "normal" if "avg" in op else "eighths"),), {"output_size": size},
             ROUNDING if "avg" in op else EXACT, smooth="avg" in op)
      for op in ("adaptive_avg_pool", "adaptive_max_pool", "adaptive_max_pool_with_indices")
      for name, x, size in (("to-1x1", (2, 3, 4, 5), (1, 1)), ("even", (2, 2, 6, 4), (3, 2)),
                            ("uneven", (1, 3, 7, 5), (3, 2)),
                            ("larger-than-the-map", (1, 2, 2, 3), (3, 5)),
                            ("one-pixel-map", (2, 3, 1, 1), (1, 1)),
                            ("batch-0", (0, 2, 4, 4), (2, 2)))),

    *(OpCase("adaptive_avg_pool", f"{name}-channels-last", (Draw((2, 19, 6, 4)),), {"output_size": size},
             ROUNDING, channels_last=True)
      for name, size in (("to-1x1", (1, 1)), ("even", (3, 2)))),

    # -- other ranks --
    *(case for rank, x in ((1, (2, 3, 9)), (3, (1, 2, 4, 5, 4))) for case in (
        maximum(f"{rank}d", x, **across(rank)),
        maximum(f"{rank}d-overlapping-padded", x,
                **across(rank, kernel_size=3, padding=(1, 1), ceil_mode=True)),
        maximum(f"{rank}d", x, op="max_pool_with_indices", **across(rank, kernel_size=3, padding=(1, 1))),
        average(f"{rank}d", x, **averaged(rank)),
        average(f"{rank}d-padding-not-counted", x, **averaged(rank, kernel_size=3, padding=(1, 1)),
                count_include_pad=False),
        OpCase("adaptive_avg_pool", f"{rank}d", (Draw(x),), {"output_size": (2, 3, 1)[:rank]}, ROUNDING),
        OpCase("adaptive_max_pool", f"{rank}d", (Draw(x),), {"output_size": (2, 3, 1)[:rank]}, EXACT),
        OpCase("adaptive_max_pool_with_indices", f"{rank}d", (Draw(x),),
               {"output_size": (3, 2, 2)[:rank]}, EXACT))),

    # -- unpooling; several numbers may come to one place --
    *(OpCase("max_unpool", name, (Draw(x, "eighths"), Draw(x, "labels", classes=pixels)), {"size": size},
             EXACT, smooth=False, half=name == "2d")
      for name, x, size, pixels in (("2d", (2, 3, 3, 4), (5, 6), 30), ("one-place", (2, 1, 3), (4,), 1),
                                    ("3d", (1, 2, 2, 2, 2), (3, 2, 3), 18), ("batch-0", (0, 2, 2), (4,), 4))),
)
