"""`cnnkit.explain`: what it says of a model's calls, and that it leaves the model as it was."""

import contextlib
import json

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, nn, ops, random
from cnnkit import functional as F
from cnnkit.autograd.tape import mode
from cnnkit.backends import KernelTable, decline
from cnnkit.backends.state import choice
from cnnkit.inspection import Declined
from cnnkit.ops import OPS

CPU = next(table for table in backends.kernel_tables() if table.name == "cpu").available() is True
needs_cpu = pytest.mark.skipif(not CPU, reason="the kernel table cpu is not available here")


@contextlib.contextmanager
def table(kernels):
    """Serve NumPy arrays from a table of the test's own, `mine`, and from nothing else."""
    backends.register_table(KernelTable("mine", "numpy", kernels))
    try:
        with backends.tables("mine"):
            yield
    finally:
        backends.register_table(remove="mine")


def composed(*arrays, needs, calls):
    """Serve any chain by its ops one by one."""
    with backends.tables():
        return ops.compose(calls, arrays, needs)


class Guide(nn.Module):
    """The guide's class: ReLU is a function."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(64, 3)

    def forward(self, x):
        return self.fc1(self.pool(F.relu(self.conv1(x))).flatten(1))


class Body(nn.Module):
    """One batch norm and a forward that a test gives."""

    def __init__(self, body, channels=4):
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.body = body

    def forward(self, x):
        return self.body(self.bn, x)


def images(channels=1, size=8, n=2):
    return np.random.default_rng(0).standard_normal((n, channels, size, size), dtype=np.float32)


def layers(explanation):
    return [row.layer for row in explanation.rows]


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


class Everything(nn.Module):
    """Dropout, running statistics, a counter, and a value that the forward pass replaces."""

    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.calls = 0
        self.seen = None

    def forward(self, x):
        self.calls += 1
        self.seen = x
        return self.drop(self.bn(x))


@pytest.mark.parametrize("training", [True, False])
def test_nothing_of_the_model_changes(training):
    model = Everything().train(training)
    model(images(4)).sum().backward()
    tensors = [*model.parameters(), *model.buffers()]
    before = [(t.numpy().copy(), t._version[0], t.grad) for t in tensors]
    grads = [t.grad.numpy().copy() for t in model.parameters()]
    attributes = [(module, dict(vars(module))) for module in model.modules()]
    state = random.get_state()
    cnnkit.explain(model, images(4), backward=True)
    assert random.get_state() == state
    assert [dict(vars(module)) for module, _ in attributes] == [a for _, a in attributes]
    for tensor, (values, version, grad) in zip(tensors, before):
        np.testing.assert_array_equal(tensor.numpy(), values)
        assert tensor._version[0] == version
        assert tensor.grad is grad
    for parameter, grad in zip(model.parameters(), grads):
        np.testing.assert_array_equal(parameter.grad.numpy(), grad)


def test_a_model_that_fails_is_as_it_was():
    def fail(bn, x):
        bn(x)
        raise KeyError("on purpose")

    model = Body(fail)
    with pytest.raises(KeyError, match="on purpose"):
        cnnkit.explain(model, images(4))
    assert model.bn.num_batches_tracked.item() == 0
    assert "forward" not in vars(model.bn)
    assert (mode.inside, type(mode.deferred), choice.thread.value) == (False, list, None)


def test_a_forward_that_stands_on_the_module_itself_is_kept():
    model = nn.ReLU()
    model.forward = forward = lambda x: x + 1
    with backends.tables():
        assert [row.ops for row in cnnkit.explain(model, images()).rows] == [("add",)]
    assert vars(model)["forward"] is forward


def test_the_tape_that_is_there_is_not_touched():
    model, x = Guide(), cnnkit.tensor(images(), requires_grad=True)
    loss = model(x * 2).sum()
    y = x * 2
    cnnkit.explain(model, y, backward=True)
    assert x.grad is None
    loss.backward()
    y.sum().backward()
    assert x.grad is not None


def test_gradient_hooks_of_parameters_are_not_called():
    model, gradients = Guide(), []
    model.fc1.weight.register_hook(gradients.append)
    cnnkit.explain(model, images(), backward=True)
    assert gradients == []
    model(images()).sum().backward()
    assert len(gradients) == 1


def test_a_forward_hook_ends_a_chain_as_it_does_without():
    model = Guide()
    model.conv1.register_forward_hook(lambda module, inputs, output: None)
    with table({("conv", "activation?", "pool?"): composed}):
        assert layers(cnnkit.explain(model, images()))[0] == "conv1"


def test_explain_may_be_called_inside_a_forward_pass():
    inner, explanations = nn.Conv2d(1, 4, 3), []

    def body(bn, x):
        y = bn(x)
        explanations.append(cnnkit.explain(inner, images()))
        return F.relu(y)

    model = Body(body)
    with table({("norm", "activation"): composed, ("conv", "activation?", "pool?"): composed}):
        out = model(images(4))
    assert layers(explanations[0]) == ["conv"], "what waits for a longer chain is computed in the end"
    with backends.tables():
        np.testing.assert_array_equal(out.numpy(), F.relu(model.bn(images(4))).numpy())


def test_calls_after_a_value_was_read_have_their_layers_too():
    def body(bn, x):
        bn(x).numpy()
        return F.relu(bn(x))

    with table({("norm", "activation"): composed}):
        explanation = cnnkit.explain(Body(body).eval(), images(4))
    assert layers(explanation) == ["bn", "bn+relu"]


def test_a_model_that_writes_to_an_array_does_not_change_what_waits_for_it():
    def write(bn, x):
        x.numpy()[...] = 0
        return x

    def body(bn, x):
        y = bn(x)
        cnnkit.explain(Body(write), x)
        return F.relu(y)

    with table({("norm", "activation"): composed}):
        assert Body(body)(images(4)).numpy().any()


def test_deferred_calls_keep_the_tables_that_the_forward_pass_chooses():
    served = []

    def relu(x, *, needs):
        served.append(True)
        return decline("it only counts")

    def body(bn, x):
        with backends.tables("other"):
            return F.relu(bn(x))

    def never(*arrays, needs, calls):
        return decline("never")

    backends.register_table(KernelTable("other", "numpy", {("norm", "activation"): never}))
    try:
        with table({"relu": relu}):
            cnnkit.explain(Body(body), images(4))
    finally:
        backends.register_table(remove="other")
    assert served == []


def test_tables_that_the_forward_pass_chooses_serve_as_they_do_without():
    served = []

    def relu(x, *, needs):
        served.append(True)
        return decline("it only counts")

    def body(bn, x):
        with backends.tables():
            return F.relu(x)

    with table({"relu": relu}):
        cnnkit.explain(Body(body), images(4))
    assert served == []


def test_explain_inside_a_model_that_is_explained_has_the_same_tables():
    explanations = []

    def body(bn, x):
        explanations.append(cnnkit.explain(nn.ReLU(), x))
        return x

    with backends.tables():
        cnnkit.explain(Body(body), images(4))
    assert [row.table for row in explanations[0].rows] == ["generic"]


def test_who_declined_a_call_that_failed_is_not_shown_for_the_next():
    def fail(x, *, needs):
        raise ValueError("a wrong value")

    def body(bn, x):
        with contextlib.suppress(ValueError):
            F.tanh(x)
        return F.relu(x)

    with table({"tanh": (lambda x, *, needs: decline("not I"), fail)}):
        (row,) = cnnkit.explain(Body(body), images(4)).rows
    assert row.declined == ()


def test_explain_inside_no_grad_shows_what_runs_there():
    needed = []

    def relu(x, *, needs):
        needed.append(needs)
        return decline("it only looks")

    with table({"relu": relu}):
        with cnnkit.no_grad():
            cnnkit.explain(nn.ReLU(), cnnkit.tensor(images(), requires_grad=True))
        cnnkit.explain(nn.ReLU(), cnnkit.tensor(images(), requires_grad=True))
    assert needed == [(False,), (True,)]


def test_the_model_computes_what_it_computes_without():
    outs = []
    model = nn.Sequential(Guide())
    model.register_forward_hook(lambda module, inputs, output: outs.append(output.numpy()))
    model(images())
    cnnkit.explain(model, images())
    np.testing.assert_array_equal(*outs)


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
