"""How an explanation reads: lines of 80 columns, with whole numbers and shapes."""

import pytest

from cnnkit.inspection import Declined, Explanation, KernelCall

SHAPE, OTHER = (128, 1024, 112, 1120), (3210, 456, 789, 10)


def row(layer="conv1", ops=("conv",), kernel="package.conv.conv2d", **more):
    inputs, output = (SHAPE, (64, 1024, 3, 3), None), (128, 64, 110, 1118)
    return KernelCall(layer, ops, inputs, output, "float32", "cpu", kernel, **more)


def text(*rows):
    return str(Explanation("Net", (SHAPE,), rows))


def test_a_call_and_its_totals():
    assert text(row()) == """\
Net on (128, 1024, 112, 1120)

conv1
    conv: (128, 1024, 112, 1120) -> (128, 64, 110, 1118), float32
    cpu: package.conv.conv2d

1 kernel call: 1 by cpu; 0 fused"""


def test_a_model_that_calls_no_kernel():
    assert text() == "Net on (128, 1024, 112, 1120)\n\nNo kernel was called"


def test_a_fused_call_says_how_many_ops_its_kernel_serves():
    assert "cpu: package.conv.conv2d (one kernel for 2 ops)" in text(row(ops=("conv", "relu")))


def test_a_kernel_that_declined_is_shown_with_its_reason_and_with_its_chain_where_that_is_another():
    others = (Declined("cpu", "package.pair", ("conv", "relu"), "float64; it serves float32"),
              Declined("mine", "package.single", ("conv",), ""))
    shown = text(row(declined=others))
    assert "    declined for conv+relu by cpu: package.pair: float64; it serves float32\n" in shown
    assert "    declined by mine: package.single: it gives no reason\n" in shown


def test_the_way_back_has_a_heading_of_its_own():
    back = KernelCall("conv1", ("conv",), ((2, 3),), None, "float32", "cpu", "package.back", backward=True)
    lines = text(row(), back).splitlines()
    assert lines[lines.index("The way back:") + 3] == "    conv: (2, 3) -> no gradient, float32"


LONG = "+".join(f"features.stage{n}.block{n}.convolution{n}" for n in range(6))


@pytest.mark.parametrize("n", range(40))
def test_lines_fit_and_break_inside_no_number_or_shape(n):
    reason = f"{'x' * n} float64 of shape {OTHER}, 1,048,576.25 elements of 0.125; it serves {OTHER} and (7,)"
    kernel = f"package{'y' * n}.module.<locals>.{'function_' * 9}z"
    shown = text(row(LONG + "x" * n, ("conv", "relu") * 5, kernel,
                     declined=(Declined("cpu", "package.conv", ("conv",), reason),)))
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    for whole, count in ((str(SHAPE), 2), (str(OTHER), 2), ("1,048,576.25", 1), ("0.125", 1), ("(7,)", 1)):
        assert sum(line.count(whole) for line in lines) == count, whole
    assert lines[2].endswith("+"), "layers stay whole where they can"
    words = "".join(shown.split())
    assert LONG in words
    assert "".join(reason.split()) in words
