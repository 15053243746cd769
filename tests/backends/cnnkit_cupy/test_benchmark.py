"""The benchmark's host side: calls for cnnkit and PyTorch, their operations and bytes, and the table."""

import subprocess
import sys

import numpy as np
import pytest
from cnnkit_cupy.benchmark import measuring, page
from cnnkit_cupy.benchmark.cases import Case, cases, conv
from cnnkit_cupy.benchmark.measuring import Block, Row, measure
from cnnkit_cupy.launcher import KERNELS

import cnnkit
from cnnkit import backends
from cnnkit.autograd import tensor


class Clock:
    """Calls once, and says that it took a millisecond."""

    def __init__(self):
        self.calls = 0

    def __call__(self, function):
        function()
        self.calls += 1
        return 1e-3


def test_flops_and_bytes_are_those_of_the_call():
    case = conv("it", (2, 3, 8, 8), (4, 3, 3, 3), lambda F, y: F.max_pool2d(y, 2), padding=1, stride=2)
    assert case.flops == 2 * 2 * 4 * 4 * 4 * 27
    clock = Clock()
    forward, backward = measure([case], ["float32"], clock)
    inputs, output = 4 * (2 * 3 * 64 + 4 * 27 + 4), 4 * 2 * 4 * 2 * 2
    assert (forward.direction, forward.flops, forward.moved) == ("forward", case.flops, inputs + output)
    assert (backward.direction, backward.flops, backward.moved) == ("backward",
                                                                    2 * case.flops, 2 * inputs + output)
    assert clock.calls == 2
    assert conv("depthwise", (1, 6, 4, 4), (6, 1, 3, 3), groups=6).flops == 2 * 6 * 2 * 2 * 9


@pytest.mark.parametrize("case", cases(1), ids=lambda case: case.name)
def test_every_call_means_the_same_to_pytorch(case):
    torch = pytest.importorskip("torch")
    if "dropout" in case.name or np.prod(case.shapes[0]) > 2e5:
        pytest.skip("other draws, or too large for a test")
    host = case.arrays("float32")
    ours = case.call(cnnkit.functional, *map(tensor, host)).numpy()
    theirs = case.call(torch.nn.functional, *map(torch.tensor, host)).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def test_pytorch_is_timed_forward_and_backward():
    torch = pytest.importorskip("torch")
    case = Case("sum", lambda F, x: F.relu(x), ((2, 3),))
    clock = Clock()
    assert measuring.torch_seconds(case, case.arrays("float32"), torch, clock, device="cpu") == [1e-3, 1e-3]
    assert clock.calls == 2


def test_a_case_runs_where_use_says_and_may_fuse(two_devices, launched_on):
    with cnnkit.use("cupy:1"):
        rows = list(measure([conv("it", (1, 1, 6, 6), (2, 1, 3, 3))], ["float32", "float16"], Clock()))
        assert measuring.copy_rate(backends.get("cupy"), Clock(), 1 << 12) == 2 * 4096 / 1e-3
        assert measuring.gemm_rate(backends.get("cupy"), Clock(), "float32", 8) == 2 * 8**3 / 1e-3
    assert [(row.dtype, row.direction) for row in rows] == [(d, w) for d in ("float32", "float16")
                                                            for w in ("forward", "backward")]
    assert {place for name, place in launched_on if "conv" in KERNELS[name].ops} == {1}
    outputs = []
    with cnnkit.use("numpy"):
        Block(Case("it",
                   lambda F, x: outputs.append(F.relu(x)) or F.relu(x), ((2, 2),)))(tensor(np.ones((2, 2))))
    assert len(outputs) == 1


def test_rates_are_set_against_the_devices_own():
    row = Row("conv", "float32", "forward", 2e-3, 4 * 10**9, 10**9, torch=1e-3)
    assert page.cells(row, 1e12, {"float32": 1e13}) == ["conv", "float32", "forward", "2000.0", "2.00", "20%",
                                                        "500", "50%", "1000.0", "0.50"]
    assert page.cells(Row("pool", "float32", "forward", 2e-3, 0, 10**9), 1e12,
                      {})[4:] == ["", "", "500", "50%", "", ""]
    text = page.report("GPU", [row], 1e12, {"float32": 1e13})
    assert "1000 GB/s" in text
    assert "10.0 TFLOP/s in float32" in text
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {len(page.HEADINGS) + 1}


def test_events_time_rounds_of_many_calls():
    from types import SimpleNamespace

    now = [0.0]

    class Event:
        def record(self):
            self.at = now[0]

        def synchronize(self):
            pass

    fake = SimpleNamespace(cuda=SimpleNamespace(Event=Event,
                                                get_elapsed_time=lambda a, b: 1e3 * (b.at - a.at)))
    calls = []

    def function():
        calls.append(1)
        now[0] += 1e-4

    assert measuring.by_events(fake, warm_up=2, rounds=3)(function) == pytest.approx(1e-4)
    assert len(calls) == 2 + 1 + 3 * 10


def test_without_a_gpu_it_says_so_in_a_line_and_fails():
    if next(row for row in backends.list() if row.name == "cupy").available:
        pytest.skip("there is a GPU")
    process = subprocess.run([sys.executable, "-m", "cnnkit_cupy.benchmark"], capture_output=True,
                             text=True, check=False)
    assert process.returncode == 1
    assert process.stdout == ""
    assert process.stderr.startswith("python -m cnnkit_cupy.benchmark needs a GPU: "
                                     "backend 'cupy' is not available: cupy")
    assert process.stderr.count("\n") == 1
