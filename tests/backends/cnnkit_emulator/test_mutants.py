"""Mistakes put into the shipped kernels, one line each: the conformance cases or the emulator must find every one."""

import pytest
from cnnkit_cupy import kernels, launcher, sources
from cnnkit_emulator import build

from cnnkit import backends, conformance
from cnnkit.conformance.case import expected
from cnnkit.conformance.checks import check_gradients, check_outputs, check_views, forward_and_back

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)

# module, the line as it is, the line as it must not be
MUTANTS = {
    "missing barrier before the sums": ("conv", "        __syncthreads();\n        for (int i = 0; i < Tiling::depth; i++) {",
                                        "        for (int i = 0; i < Tiling::depth; i++) {"),
    "missing barrier after the sums": ("conv", "        __syncthreads();\n    }\n    for", "    }\n    for"),
    "barrier that some threads skip": ("conv", "__syncthreads();\n        if (thread < half)",
                                       "if (thread < half) __syncthreads();\n        if (thread < half)"),
    "missing barrier in the block's sum": ("conv", "__syncthreads();\n        if (thread < half)", "if (thread < half)"),
    "missing barrier between two sums": ("norm", "__syncthreads();  // everybody", "// everybody"),
    "missing barrier behind the sum": ("norm", "    __syncthreads();\n    return sums.of[0];", "    return sums.of[0];"),
    "missing guard of the last columns": ("conv", "if (row < rows && column < columns)", "if (row < rows)"),
    "missing guard of the depth": ("conv", "first_row + row < rows && start + i < depth", "first_row + row < rows"),
    "stride of the other axis": ("conv", "pixel.w * shape.stride_w - shape.left", "pixel.w * shape.stride_h - shape.left"),
    "no dilation": ("conv", "shape.top + tap.r * shape.dilation_h;", "shape.top + tap.r;"),
    "one pixel too many at the edge": ("conv", "h < 0 || h >= shape.H || w < 0", "h < 0 || h > shape.H || w < 0"),
    "wrong group's channels": ("conv", "group * (shape.K / shape.groups) + tap.channel, p, q", "tap.channel, p, q"),
    "swapped dimensions": ("conv", "at.n) * shape.C + c) * shape.H + at.h) * shape.W",
                           "at.n) * shape.C + c) * shape.W + at.h) * shape.H"),
    "shared memory too small": ("conv", "struct Sums { float of[256]; };", "struct Sums { float of[255]; };"),
    "last tie wins": ("pool", "value > best ||", "value >= best ||"),
    "NaN loses": ("pool", "|| (value != value && best == best)", ""),
    "padding is chosen": ("pool", "if (h < 0 || h >= windows.H) continue;\n        for (int s = 0; s < windows.S; s++) {\n"
                          "            int w = left", "for (int s = 0; s < windows.S; s++) {\n            int w = left"),
    "missing guard of the last thread": ("pool", "return number < windows.count;", "return true;"),
    "input taken for contiguous": ("pool", "image[h * view.h + w * view.w]);\n            if",
                                   "image[h * windows.W + w]);\n            if"),
    "one image for all": ("pool", "dy + at.n * view.n + at.c * view.c;\n    const Arg*", "dy + at.c * view.c;\n    const Arg*"),
    "variance with the wrong divisor": ("norm", "variance * (static_cast<float>(count) / (count - 1))", "variance"),
    "variance about zero": ("norm", "- center;\n            sum += off * off", ";\n            sum += off * off"),
    "eval mode normalises by the batch": ("norm", "if (norm.training) {\n            const", "if (true) {\n            const"),
    "shuffle that does not reach every lane": ("loss", "step /= 2) mine += __shfl", "step /= 4) mine += __shfl"),
    "largest score not taken away": ("loss", "largest = warp_max(largest);", "largest = 0;"),
    "ignored samples count": ("loss", "if (!counted) desired = 0;", ""),
    "sum where the mean is asked": ("loss", "if (loss.mean) share /= *total;", ""),
    "wrong rotation": ("random", "26, 6, 17", "26, 7, 17"),
    "key added a round late": ("random", "round % 4 == 3", "round % 4 == 0"),
    "second word of a pair left out": ("random", "y[2 * i + 1] = dropped(x", "y[2 * i + 1] = y[2 * i]; else dropped(x"),
    "padding counts always": ("pool", "int least = include_pad ? -before : 0", "int least = -before"),
}
OPS = {"conv": ("conv2d",), "pool": ("max_pool2d", "avg_pool2d"), "loss": ("cross_entropy",), "norm": ("batch_norm",),
       "random": ("dropout",)}
SCHEDULES = (("in order", 0), ("reversed", 0), ("skewed", 1))

kernels.kernels("emulator")  # fills the table


def found_by(case, target):
    """The first check and schedule that finds something wrong, or None."""
    from cnnkit_emulator.device import KernelFault, schedule

    for order in SCHEDULES:
        with schedule(*order):
            for check in (check_outputs, check_gradients, check_views):
                try:
                    check(case, target)
                except (AssertionError, KernelFault) as error:
                    return f"{check.__name__}, {order[0]}: {error}"
    return None


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found(name, monkeypatch, asked):
    module, right, wrong = MUTANTS[name]
    text = sources.source(module)
    assert text.count(right) == 1, "the mutant's line is not in the source, or more than once"
    # fewer instances compile faster: float only
    floats = tuple(n for n in launcher.instances(module) if "half" not in n and (module != "pool" or "long" not in n))
    monkeypatch.setattr(launcher, "instances", lambda asked: floats)
    monkeypatch.setattr(build, "FLAGS", tuple("-O1" if flag == "-O2" else flag for flag in build.FLAGS))
    monkeypatch.setattr(launcher, "source", lambda asked: text.replace(right, wrong) if asked == module else sources.source(asked))
    target = conformance.Target("emulator")
    with target.entered():
        cases = [case for case in conformance.CASES if case.op in OPS[module] and not case.half]
        assert any(found_by(case, target) for case in cases), "no check found it"


def test_the_cases_find_nothing_in_the_kernels_as_they_are():
    target = conformance.Target("emulator")
    with target.entered():
        case = next(c for c in conformance.CASES if c.op == "conv2d")
        forward_and_back(case, target, expected(case, "float32"), "float32")
        assert found_by(case, target) is None
