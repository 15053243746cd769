"""`cnnkit.explain`: what it says of a model's calls."""

import dataclasses
import json

import numpy as np
import pytest
from explained_nets import Body, Guide, composed, images, layers, table

import cnnkit
from cnnkit import backends, nn
from cnnkit import functional as F
from cnnkit.backends import decline
from cnnkit.inspection import Declined
from cnnkit.ops import OPS

CPU = next(table for table in backends.kernel_tables() if table.name == "cpu").available() is True
needs_cpu = pytest.mark.skipif(not CPU, reason="the kernel table cpu is not available here")


def test_each_row_names_layers_ops_shapes_dtype_and_the_kernel():
    with table({("conv", "activation?", "pool?"): composed}):
        first, *_ = cnnkit.explain(Guide(), images()).rows
    assert first.layer == "conv1+relu+pool"
    assert first.ops == ("conv", "relu", "max_pool")
    assert first.inputs == ((2, 1, 8, 8), (4, 1, 3, 3), (4,))
    assert first.output == (2, 4, 4, 4)
    assert (first.dtype, first.table) == ("float32", "mine")
    assert first.kernel.endswith("composed")
    assert first.fused
    assert first.declined == ()


def test_an_op_that_no_table_serves_is_shown_as_generic():
    with backends.tables():
        explanation = cnnkit.explain(Guide(), images())
    assert layers(explanation) == ["conv1", "relu", "pool", "reshape", "fc1"]
    assert {row.table for row in explanation.rows} == {"generic"}
    assert explanation.rows[0].kernel == "cnnkit.ops.conv.conv"
    assert not any(row.fused for row in explanation.rows)


def test_a_kernel_that_declines_is_shown_with_its_reason():
    def picky(x, *, needs):
        return decline("float32; it serves int4")

    with table({"relu": (picky, lambda x, *, needs: NotImplemented)}):
        explanation = cnnkit.explain(nn.ReLU(), images())
    (row,) = explanation.rows
    assert row.table == "generic"
    assert [(other.table, other.ops, other.reason) for other in row.declined] == [
        ("mine", ("relu",), "float32; it serves int4"), ("mine", ("relu",), "")]
    assert row.declined[0].kernel.endswith("picky")


def test_the_reason_of_one_kernel_is_not_shown_for_the_next():
    reasons = iter(["first", None])

    def kernel(x, *, needs):
        reason = next(reasons)
        return NotImplemented if reason is None else decline(reason)

    with table({"relu": (kernel, kernel)}):
        (row,) = cnnkit.explain(nn.ReLU(), images()).rows
    assert [other.reason for other in row.declined] == ["first", ""]


def test_a_fused_chain_that_is_declined_falls_to_a_shorter_one_and_says_why():
    def pair(*arrays, needs, calls):
        if len(calls) > 2:
            return decline("pooling is no part of it")
        return composed(*arrays, needs=needs, calls=calls)

    with table({("conv", "activation?", "pool?"): pair}):
        first, second, *_ = cnnkit.explain(Guide(), images()).rows
    assert (first.layer, first.ops) == ("conv1+relu", ("conv", "relu"))
    chain = ("conv", "relu", "max_pool")
    assert first.declined == (Declined("mine", first.kernel, chain, "pooling is no part of it"),)
    assert (second.layer, second.table, second.declined) == ("pool", "generic", ())


def test_a_chain_that_nobody_serves_is_shown_op_by_op():
    with table({("conv", "activation?", "pool?"): lambda *arrays, needs, calls: decline("never")}):
        explanation = cnnkit.explain(Guide(), images())
    assert layers(explanation)[:3] == ["conv1", "relu", "pool"]
    declined_chains = [other.ops for other in explanation.rows[0].declined]
    assert declined_chains == [("conv", "relu", "max_pool"), ("conv", "relu")]


@needs_cpu
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("backward", [False, True])
def test_an_addend_on_either_side_of_batch_norm_runs_as_the_same_one_kernel(relu, backward):
    x = np.moveaxis(np.zeros((4, 8, 8, 16), np.float32), -1, 1)  # the channels lie last in memory
    rows = []
    for body in (lambda bn, x: bn(x) + x, lambda bn, x: x + bn(x)):
        model = Body((lambda bn, x, body=body: F.relu(body(bn, x))) if relu else body, 16).eval()
        with cnnkit.use("cpu"):
            rows.append(cnnkit.explain(model, x, backward=backward).rows)
    assert rows[0] == rows[1]
    assert len(rows[0]) == 1 + backward
    for row in rows[0]:
        assert row.ops == ("batch_norm", "add", "relu")[:2 + relu]
        assert row.layer == ("bn+add", "bn+add+relu")[relu]
        assert row.table == "cpu"
    assert rows[0][0].kernel == "cnnkit_cpu.norm.batch_norm_chain"


@needs_cpu
def test_a_shipped_kernel_says_which_dtype_it_does_not_serve():
    with cnnkit.use("cpu"):
        (row,) = cnnkit.explain(nn.ReLU(), images().astype(np.float64)).rows
    assert (row.table, row.dtype) == ("numpy", "float64")
    reason = "float64; it serves float32"
    assert row.declined == (Declined("cpu", "cnnkit_cpu.activation.relu", ("relu",), reason),)


def test_two_runs_give_the_same_rows():
    model = Guide()
    assert cnnkit.explain(model, images(), backward=True) == cnnkit.explain(model, images(), backward=True)


def test_layers_have_the_names_of_named_modules():
    model = nn.Sequential(Guide(), nn.Sequential(nn.ReLU()), nn.ReLU())
    with backends.tables():
        explanation = cnnkit.explain(model, images())
    assert layers(explanation) == ["0.conv1", "0.relu", "0.pool", "0.reshape", "0.fc1", "1.0", "2"]


def test_a_module_that_is_called_twice_has_two_rows():
    relu = nn.ReLU()
    with backends.tables():
        assert layers(cnnkit.explain(nn.Sequential(relu, relu), images())) == ["0", "0"]


def test_the_ops_of_one_module_without_modules_inside_are_one_layer():
    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(np.ones((3, 4), np.float32))

        def forward(self, x):
            return F.relu(F.linear(x, self.weight))

    with table({("linear", "activation"): composed}):
        explanation = cnnkit.explain(nn.Sequential(Dense()), np.ones((2, 4), np.float32))
        alone = cnnkit.explain(Dense(), np.ones((2, 4), np.float32))
    assert layers(explanation) == ["0"]
    assert layers(alone) == ["linear+relu"]


def test_ops_that_a_kernel_calls_are_a_part_of_it():
    def by_leaky_relu(x, *, needs):
        (y,), backward = OPS["leaky_relu"](x, needs=needs, negative_slope=0.0)
        return y, backward

    with table({"relu": by_leaky_relu}):
        explanation = cnnkit.explain(nn.ReLU(), images())
    assert [row.ops for row in explanation.rows] == [("relu",)]


def test_the_way_back_names_the_function_that_makes_the_gradients():
    with backends.tables():
        explanation = cnnkit.explain(Guide(), images(), backward=True)
    back = [row for row in explanation.rows if row.backward]
    assert [row.layer for row in back] == ["fc1", "reshape", "pool", "relu", "conv1"]
    assert (back[0].inputs, back[0].output) == (((2, 3),), (2, 64))
    assert back[-1].output is None, "the images need no gradient"
    assert back[-1].kernel.startswith("cnnkit.ops.conv.conv_backward.<locals>.")


def test_without_backward_there_is_no_way_back():
    assert not any(row.backward for row in cnnkit.explain(Guide(), images()).rows)


def test_several_results_go_back_together():
    model = Body(lambda bn, x: (bn(x), [x], x * 2))
    explanation = cnnkit.explain(model, cnnkit.tensor(images(4), requires_grad=True), backward=True)
    assert {row.layer for row in explanation.rows if row.backward} == {"bn", "mul"}


def test_what_is_no_module_is_named():
    with pytest.raises(TypeError, match=r"explain\(\) needs an nn.Module; got function"):
        cnnkit.explain(lambda x: x, images())


def test_a_way_back_from_no_tensor_is_named():
    with pytest.raises(TypeError, match="it returned a NoneType"):
        cnnkit.explain(Body(lambda bn, x: None), images(4), backward=True)


def test_a_way_back_that_nothing_needs_is_named():
    with pytest.raises(RuntimeError, match="requires no gradient"):
        cnnkit.explain(nn.ReLU(), images(), backward=True)


def test_it_is_plain_data():
    with table({("conv", "activation?", "pool?"): composed}):
        explanation = cnnkit.explain(Guide(), images())
    again = json.loads(json.dumps(explanation.as_dict()))
    assert (again["model"], again["inputs"]) == ("Guide", [[2, 1, 8, 8]])
    assert again["rows"][0]["ops"] == ["conv", "relu", "max_pool"]
    assert [row["fused"] for row in again["rows"]] == [True, False, False]


def test_every_backend_is_explained(backend):
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    explanation = cnnkit.explain(model, backend.asarray(images()), backward=True)
    assert "+".join(row.layer for row in explanation.rows if not row.backward) == "0+1+2+3"
    assert {row.table for row in explanation.rows} <= {"generic", *(t.name for t in backends.kernel_tables())}


def test_analyze_measures_every_kernel_and_changes_nothing_else():
    model, x = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.BatchNorm2d(2)), cnnkit.rand(2, 1, 8, 8)
    plain, measured = (cnnkit.explain(model, x, backward=True, analyze=analyze) for analyze in (False, True))
    assert all(row.seconds is None for row in plain.rows)
    assert all(row.seconds > 0 for row in measured.rows)
    bare = [dataclasses.replace(row, seconds=None, flops=None, bytes=None, share=None)
            for row in measured.rows]
    assert bare == list(plain.rows)
    assert model[2].num_batches_tracked.item() == 0
    assert f"{1e3 * measured.rows[0].seconds:.3f} ms" in str(measured)


@needs_cpu
def test_the_algorithm_is_the_one_that_the_kernel_s_choice_names():
    from cnnkit_cpu.choice import algorithms

    for channels, size in ((64, 32), (1, 28)):
        layer, x = nn.Conv2d(channels, 64, 3, padding=1), cnnkit.zeros(1, channels, size, size)
        with cnnkit.use("cpu"), cnnkit.no_grad():
            row, = cnnkit.explain(layer, x).rows
        expected = algorithms(tuple(x.shape), tuple(layer.weight.shape), padding=1)[0]
        assert row.algorithm.split()[0] == expected


@needs_cpu
def test_native_calls_say_which_algorithm_was_chosen():
    from cnnkit_cpu.choice import algorithm

    layer, x = nn.Conv2d(32, 32, 3, padding=1), images(32)
    called = {}
    for name in ("winograd4", "product"):
        with cnnkit.use("cpu"), algorithm(name):
            explanation = cnnkit.explain(layer, x, backward=True)
        called[name] = [row.native for row in explanation.rows]
        assert "\n    calls " in str(explanation)
    assert "winograd_forward" in called["winograd4"][0]
    assert "product_forward" in called["product"][0]
    assert all("product_" in "".join(functions) for functions in called["product"])
    with cnnkit.use("numpy"):
        assert cnnkit.explain(layer, x).rows[0].native == ()
