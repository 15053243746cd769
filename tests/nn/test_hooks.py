"""Hooks on calls, gradients and states: when they are called, and what they may change."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn


class Two(nn.Module):
    def forward(self, a, b, scale=1.0):
        return a * b * scale, a + b


def gradients_seen(library, change=None):
    class Pair(library.nn.Module):
        def forward(self, a, b):
            return a * b, a + b
    module, seen = Pair(), []
    module.register_full_backward_pre_hook(lambda m, go: seen.append(("before", go)))
    module.register_full_backward_hook(lambda m, gi, go: seen.append(("after", gi, go)))
    if change is not None:
        module.register_full_backward_hook(change)
    a, b = (library.tensor([v, 2 * v], requires_grad=True) for v in (1.0, 3.0))
    y, z = module(a, b)
    (y * 2 + z * z).sum().backward()
    flat = [[name, *[[None if g is None else g.tolist() for g in part] for part in parts]]
            for name, *parts in seen]
    return flat, a.grad.tolist(), b.grad.tolist()


@pytest.mark.parametrize("change", [None, lambda m, gi, go: (gi[0] * 10, gi[1])])
def test_gradient_hooks_see_and_change_what_pytorchs_do(change):
    torch = pytest.importorskip("torch")
    assert gradients_seen(cnnkit, change) == gradients_seen(torch, change)


def test_gradient_hooks_of_a_module_whose_input_needs_no_gradient():
    layer, seen = nn.Linear(2, 1), []
    handle = layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, len(go))))
    layer(cnnkit.ones(1, 2)).sum().backward()
    assert seen == [((None,), 1)]
    assert layer.weight.grad.tolist() == [[1.0, 1.0]]
    handle.remove()
    layer(cnnkit.ones(1, 2)).sum().backward()
    assert len(seen) == 1


def test_hooks_with_keywords_see_and_change_them():
    module, seen = Two(), []
    module.register_forward_pre_hook(lambda m, args, kwargs: (args, {"scale": 5.0}), with_kwargs=True)
    module.register_forward_hook(lambda m, args, kwargs, out: seen.append(kwargs), with_kwargs=True)
    assert module(cnnkit.ones(1), cnnkit.ones(1), scale=2.0)[0].item() == 5.0
    assert seen == [{"scale": 5.0}]


def test_a_hook_may_come_first_and_may_be_called_after_an_error():
    module, order = nn.Identity(), []
    module.register_forward_hook(lambda *a: order.append("first"))
    module.register_forward_hook(lambda *a: order.append("before it"), prepend=True)
    module(1)
    assert order == ["before it", "first"]
    failing = Two()
    failing.register_forward_hook(lambda *a: order.append("always"), always_call=True)
    with pytest.raises(TypeError):
        failing(cnnkit.ones(1))
    assert order[2:] == ["always"]


def test_hooks_around_the_state():
    layer = nn.Sequential(nn.Linear(1, 1, bias=False))
    layer._register_load_state_dict_pre_hook(
        lambda state, prefix, *rest: state.update({f"{prefix}0.weight": state.pop("old")}))
    seen = []
    layer[0]._register_state_dict_hook(lambda m, state, prefix, meta: seen.append(prefix))
    layer.register_load_state_dict_post_hook(lambda m, keys: keys.unexpected_keys.clear())
    given = {"old": np.array([[4.0]]), "more": np.array([1.0])}
    layer.load_state_dict(given)
    assert layer[0].weight.item() == 4.0
    assert list(given) == ["old", "more"]
    layer.state_dict()
    assert seen == ["0."]


def test_assigned_values_take_the_place_of_the_parameters():
    layer = nn.Linear(1, 1, bias=False)
    layer.load_state_dict({"weight": np.array([[4.0]])}, assign=True)
    assert layer.weight.dtype == "float64"
    assert isinstance(layer.weight, nn.Parameter)
    assert layer.weight.requires_grad


def test_second_derivatives_pass_gradient_hooks():
    module, seen = Two(), []
    module.register_full_backward_hook(lambda m, gi, go: seen.append(len(gi)))
    x = cnnkit.tensor([3.0], requires_grad=True)
    dx, = cnnkit.autograd.grad(module(x, x)[0].sum(), x, create_graph=True)
    dx.backward()
    assert (dx.item(), x.grad.item()) == (6.0, 2.0)
    assert 2 in seen
