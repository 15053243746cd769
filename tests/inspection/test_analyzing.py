"""`cnnkit.explain(analyze=True)` and the roofline: times, operations, and shares of the machine's peak."""

import json

import pytest

import cnnkit
from cnnkit import backends, models, nn
from cnnkit.backends import KernelTable
from cnnkit.inspection import Roofline, machine, roofline
from cnnkit.inspection.op_costs import flops_of
from cnnkit.ops import OPS
from cnnkit.ops.core import Call


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """A machine of which NumPy's table is known to do 1 GFLOP/s and 10 GB/s: measuring takes a second."""
    peak = Roofline(1e9, 1e10, 1, "as a test says")
    monkeypatch.setattr(machine, "_known", {("numpy", ("numpy",), cnnkit.get_num_threads()): peak})
    with cnnkit.use("numpy"):
        yield peak


def test_each_call_has_its_time_and_its_share(known):
    model = models.CommonCNN((1, 8, 8))
    x = cnnkit.rand(4, 1, 8, 8)
    explanation = cnnkit.explain(model, x, backward=True, analyze=True)
    plain = cnnkit.explain(model, x, backward=True)
    assert [(row.layer, row.kernel) for row in explanation.rows] == [(r.layer, r.kernel) for r in plain.rows]
    assert {row.seconds for row in plain.rows} == {None}
    for row in explanation.rows:
        assert row.seconds > 0
        if row.flops or row.bytes:
            assert row.share == pytest.approx(max(row.flops / 1e9, row.bytes / 1e10) / row.seconds)
    fc2 = next(row for row in explanation.rows if row.layer == "classifier.fc2")
    assert (fc2.flops, fc2.bytes) == (2 * 4 * 128 * 10, 4 * (4 * 128 + 128 * 10 + 10 + 4 * 10))
    text = str(explanation)
    assert text.count("% of the roofline") == sum(row.share is not None for row in explanation.rows)
    assert "this machine: 1.0 GFLOP/s, 10.0 GB/s on 1 thread (as a test says)" in text.replace("\n  ", " ")
    assert max(map(len, text.splitlines())) <= 80
    assert json.loads(json.dumps(explanation.as_dict()))["roofline"]["flops"] == 1e9


def test_a_view_moves_nothing_and_has_no_share():
    row, = cnnkit.explain(nn.Flatten(), cnnkit.rand(4, 2, 3), analyze=True).rows
    assert (row.flops, row.bytes, row.share) == (0, 0, None)


def test_the_model_is_as_before():
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout())
    before = model[0].running_mean.tolist()
    x = cnnkit.rand(4, 2, 3, 3)
    state = cnnkit.random.get_state()
    cnnkit.explain(model, x, analyze=True)
    assert model[0].running_mean.tolist() == before
    assert cnnkit.random.get_state() == state
    assert all("forward" not in vars(module) for module in model.modules())


@pytest.mark.parametrize(("op", "attrs", "shapes", "count"), [
    ("conv", {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1},
     [(2, 3, 8, 8), (4, 3, 3, 3)], 2 * (2 * 4 * 8 * 8) * 27),
    ("conv", {"stride": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 3},
     [(2, 3, 9, 9), (6, 1, 3, 3)], 2 * (2 * 6 * 4 * 4) * 9),
    ("relu", {}, [(2, 3)], 6),
    ("matmul", {}, [(5, 2, 3), (3, 4)], 2 * 5 * 2 * 4 * 3)])
def test_operations_are_counted_from_shapes(op, attrs, shapes, count):
    arrays = [cnnkit.zeros(*shape).array for shape in shapes]
    if op == "conv":
        arrays.append(None)
    assert flops_of([Call(OPS[op], attrs, len(arrays))], arrays) == count


def test_a_chain_is_the_sum_of_its_ops():
    x, weight, bias = (cnnkit.zeros(*shape).array for shape in ((4, 3), (2, 3), (2,)))
    calls = [Call(OPS["linear"], {}, 3), Call(OPS["relu"], {}, 0)]
    assert flops_of(calls, [x, weight, bias]) == 2 * 4 * 3 * 2 + 8
    assert flops_of(calls, [x, weight, bias], (False, True, True)) == 2 * 4 * 3 * 2 + 8


def test_what_the_table_measures_is_taken_and_kept():
    class Runtime:
        def __init__(self):
            self.asked = 0

        def describe(self):
            return "mine"

        def get_num_threads(self):
            return 1

        def set_num_threads(self, count):
            pass

        def release_memory(self):
            pass

        def peak_flops(self):
            self.asked += 1
            return 7e9

        def peak_bandwidth(self):
            return 3e9

    runtime = Runtime()
    backends.register_table(KernelTable("mine", "numpy", {}, runtime=runtime))
    try:
        with cnnkit.use("mine"):
            assert (roofline().flops, roofline().bandwidth) == (7e9, 3e9)
        assert runtime.asked == 1
    finally:
        backends.register_table(remove="mine")


def test_elsewhere_the_librarys_own_functions_are_timed(monkeypatch):
    monkeypatch.setattr(machine, "SIDE", 64)
    monkeypatch.setattr(machine, "NUMBERS", 4096)
    with cnnkit.use("array-api-strict"):
        found = roofline()
    assert found.flops > 1e6
    assert found.bandwidth > 1e6
    assert "product of matrices" in found.how
