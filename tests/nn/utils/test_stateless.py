"""A module called with other parameters: gradients go to them, and the module is as it was."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn
from cnnkit.nn.utils.stateless import functional_call

X = np.random.default_rng(0).random((4, 3), np.float32)


def net():
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.ReLU(), nn.Linear(2, 1))


def test_the_result_is_that_of_a_module_which_has_these_values(backend):
    first, other, x = net(), net(), cnnkit.tensor(X)
    values = {name: value.clone() for name, value in other.state_dict().items()}
    before = {name: value.numpy().copy() for name, value in first.state_dict().items()}
    np.testing.assert_allclose(functional_call(first, values, (x,)).detach().numpy(),
                               other(x).detach().numpy(), rtol=1e-6)
    assert values["1.num_batches_tracked"].item() == 1
    for name, value in first.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_gradients_go_through_an_update_as_in_maml():
    model, x = nn.Linear(3, 1), cnnkit.tensor(X, dtype=cnnkit.float64)
    model.double()
    weight, bias = model.weight.detach().numpy(), model.bias.detach().numpy()
    loss = functional_call(model, dict(model.named_parameters()), (x,)).square().mean()
    gradients = cnnkit.autograd.grad(loss, list(model.parameters()), create_graph=True)
    updated = {name: value - 0.1 * gradient
               for (name, value), gradient in zip(model.named_parameters(), gradients)}
    functional_call(model, updated, x).square().mean().backward()

    def final(w):
        y = X.astype(float) @ w.T + bias
        dw, db = 2 * y.T @ X / y.size, 2 * y.mean(0)
        return np.square(X.astype(float) @ (w - 0.1 * dw).T + bias - 0.1 * db).mean()

    steps = 1e-6 * np.eye(3)[:, None]
    numeric = [(final(weight + step) - final(weight - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(model.weight.grad.numpy()[0], numeric, rtol=1e-6)


def test_a_tied_parameter_is_replaced_under_all_its_names():
    layer = nn.Linear(2, 2, bias=False)
    tied = nn.Sequential(layer, layer)
    new = {"0.weight": 2 * cnnkit.eye(2)}
    assert functional_call(tied, new, cnnkit.ones(1, 2)).tolist() == [[4.0, 4.0]]


def test_an_error_inside_leaves_the_module_as_it_was():
    model = nn.Linear(3, 1)
    weight = model.weight
    with pytest.raises(ValueError, match="shape"):
        functional_call(model, {"weight": cnnkit.ones(1, 7)}, cnnkit.tensor(X))
    assert model.weight is weight


@pytest.mark.parametrize(("values", "strict", "error", "match"), [
    ({"wait": cnnkit.ones(1)}, False, KeyError, "has no parameter or buffer 'wait'"),
    ({"weight": cnnkit.ones(1, 3)}, True, RuntimeError, r"missing \['bias'\]")])
def test_names_that_do_not_fit_are_refused(values, strict, error, match):
    with pytest.raises(error, match=match):
        functional_call(nn.Linear(3, 1), values, cnnkit.tensor(X), strict=strict)
