"""`cnnkit.explain` leaves the model, the tape and the tables as they were, whatever a forward pass does."""

import contextlib

import numpy as np
import pytest
from explained_nets import Body, Guide, composed, images, layers, table

import cnnkit
from cnnkit import backends, nn, random
from cnnkit import functional as F
from cnnkit.autograd.tape import mode
from cnnkit.backends import KernelTable, decline
from cnnkit.backends.state import choice


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
