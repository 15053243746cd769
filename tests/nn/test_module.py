"""Module: what it is made of, its state, and what changes all of it."""

import copy
import pickle

import numpy as np
import pytest

import cnnkit
from cnnkit import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.scale = nn.Parameter(cnnkit.tensor([2.0]))
        self.register_buffer("count", cnnkit.tensor([0.0]))
        self.register_buffer("scratch", cnnkit.tensor([0.0]), persistent=False)
        self.nothing = None

    def forward(self, x):
        return self.linear(x) * self.scale


def net():
    return nn.Sequential(Block(), nn.ReLU(), nn.Linear(2, 2, bias=False))


def test_parameters_are_listed_in_pytorchs_order_own_ones_first():
    assert [n for n, _ in net().named_parameters()] == [
        "0.scale", "0.linear.weight", "0.linear.bias", "2.weight"]


def test_state_dict_holds_parameters_and_persistent_buffers():
    assert list(net().state_dict()) == ["0.scale", "0.count", "0.linear.weight", "0.linear.bias", "2.weight"]


def test_a_class_that_forgets_super_init_is_told_so():
    class Careless(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(2, 2)

    with pytest.raises(AttributeError, match=r"cannot assign module before Module.__init__\(\) call: "
                                             r"let Careless.__init__ begin with super\(\).__init__\(\)"):
        Careless()


def test_a_shared_parameter_is_trained_once_and_saved_under_both_names():
    model = net()
    model[2].weight = model[0].linear.weight = nn.Parameter(cnnkit.tensor(np.ones((2, 2), np.float32)))
    assert len(list(model.parameters())) == 3
    assert {"0.linear.weight", "2.weight"} <= set(model.state_dict())


def test_a_state_dict_shares_memory_with_the_model():
    model = net()
    state = model.state_dict()
    with cnnkit.no_grad():
        model[0].scale.fill_(9)
    assert state["0.scale"].item() == 9
    state["0.scale"].mul_(2)
    assert model[0].scale.item() == 18


@pytest.mark.parametrize("make", [
    lambda params: cnnkit.optim.SGD(params, 0.1, momentum=0.9),
    lambda params: cnnkit.optim.AdamW(params, 0.1)])
def test_an_average_of_state_dicts_follows_training(make, backend):
    model, averaged = (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)) for _ in range(2))
    x = cnnkit.tensor([[1.0, 2.0], [3.0, 5.0]])
    optimizer, state = make(model.parameters()), model.state_dict()
    for _ in range(2):
        optimizer.zero_grad()
        (model(x) ** 3).sum().backward()
        optimizer.step()
        for name, value in averaged.state_dict().items():
            if value.is_floating_point():
                value.mul_(0).add_(model.state_dict()[name])
        for name, value in model.state_dict(keep_vars=True).items():
            np.testing.assert_array_equal(state[name].numpy(), value.detach().numpy())
            if value.is_floating_point():
                np.testing.assert_array_equal(averaged.state_dict()[name].numpy(), value.detach().numpy())


def test_loading_a_state_dict_copies_the_values():
    a, b = net(), net()
    state = a.state_dict()
    assert b.load_state_dict(state) == ([], [])
    with cnnkit.no_grad():
        state["0.scale"].fill_(7)
    assert b[0].scale.item() == 2
    x = cnnkit.tensor(np.random.default_rng(0).random((4, 3), np.float32))
    np.testing.assert_array_equal(a(x).numpy(), b(x).numpy())


@pytest.mark.parametrize(("change", "message"), [
    (lambda s: s.pop("0.scale"), r"missing 1: 0\.scale.*strict=False"),
    (lambda s: s.update(extra=s["0.scale"]), "unexpected 1: extra"),
    (lambda s: s.update({"2.weight": cnnkit.tensor([1.0])}), r"2\.weight is \(2, 2\), the value \(1,\)"),
])
def test_a_state_dict_that_does_not_fit_is_refused_and_changes_nothing(change, message):
    model = net()
    before = copy.deepcopy(model.state_dict())
    state = {name: value * 0 + 5 for name, value in before.items()}
    change(state)
    with pytest.raises(RuntimeError, match=message):
        model.load_state_dict(state)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name].numpy())


def test_without_strict_the_names_that_match_are_loaded():
    model = net()
    state = {"0.scale": np.array([4.0], np.float32), "other": np.zeros(1)}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert model[0].scale.item() == 4
    assert (len(missing), unexpected) == (4, ["other"])


def test_loading_between_forward_and_backward_is_noticed():
    model = net()
    loss = model(cnnkit.tensor(np.ones((1, 3), np.float32))).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_train_and_eval_reach_every_module():
    model = net()
    assert all(m.training for m in model.modules())
    assert not any(m.training for m in model.eval().modules())
    assert all(m.training for m in model.train().modules())


def test_apply_visits_children_before_their_owner():
    seen = []
    model = net()
    model.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "Block", "ReLU", "Linear", "Sequential"]


def test_freezing_stops_gradients():
    model = net().requires_grad_(False)
    assert not model(cnnkit.tensor(np.ones((1, 3), np.float32))).requires_grad


def test_zero_grad_forgets_or_zeroes():
    model = net()
    model(cnnkit.tensor(np.ones((1, 3), np.float32))).sum().backward()
    model.zero_grad(set_to_none=False)
    assert model[0].scale.grad.tolist() == [0]
    model.zero_grad()
    assert model[0].scale.grad is None


def test_to_converts_floating_point_parameters_and_buffers_in_place():
    model = nn.BatchNorm2d(3)
    weight = model.weight
    assert model.to(dtype="float64") is model
    assert model.weight is weight
    assert (model.weight.dtype, model.running_mean.dtype) == (np.float64, np.float64)
    assert model.num_batches_tracked.dtype == np.int64
    assert model.float().weight.dtype == np.float32


def test_to_moves_parameters_gradients_and_buffers_to_another_backend():
    pytest.importorskip("array_api_strict")
    model = net()
    x = cnnkit.tensor(np.ones((1, 3), np.float32))
    model(x).sum().backward()
    expected = model(x).numpy()
    model.to("array-api-strict")
    assert {t.backend for t in (*model.parameters(), *model.buffers())} == {"array-api-strict"}
    assert model[0].scale.grad.backend == "array-api-strict"
    np.testing.assert_allclose(model(x.to("array-api-strict")).numpy(), expected, rtol=1e-6)
    with pytest.raises(TypeError, match="two backends"):
        model(x)


def test_a_plain_array_is_taken_as_input():
    assert net()(np.ones((1, 3), np.float32)).shape == (1, 2)


def test_forward_hooks_see_and_may_replace_and_can_be_removed():
    model, calls = net(), []
    pre_handle = model.register_forward_pre_hook(lambda m, args: calls.append("before"))
    handle = model[1].register_forward_hook(lambda m, args, out: calls.append("after") or out * 0)
    x = cnnkit.tensor(np.ones((1, 3), np.float32))
    assert model(x).abs().sum().item() == 0
    pre_handle.remove()
    handle.remove()
    model(x)
    assert calls == ["before", "after"]


def test_modules_copy_and_pickle():
    model = net()
    x = cnnkit.tensor(np.ones((1, 3), np.float32))
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(copied(x).numpy(), model(x).numpy())
        assert copied[0].scale is not model[0].scale


def test_get_submodule_finds_by_dotted_name_and_says_what_there_is():
    assert isinstance(net().get_submodule("0.linear"), nn.Linear)
    with pytest.raises(AttributeError, match=r"no submodule 'conv'.*it has linear"):
        net().get_submodule("0.conv")


def test_repr_is_pytorchs():
    assert repr(nn.Sequential(nn.Sequential(nn.ReLU()), nn.Linear(1, 2))) == (
        "Sequential(\n  (0): Sequential(\n    (0): ReLU()\n  )\n  (1): Linear(in_features=1, "
        "out_features=2, bias=True)\n)")


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module must define forward"):
        nn.Module()(cnnkit.tensor([1.0]))


def test_a_buffer_must_be_a_tensor():
    with pytest.raises(TypeError, match=r"register_buffer.*ndarray"):
        nn.Module().register_buffer("x", np.zeros(1))


def test_containers_count_index_slice_append_and_name_what_does_not_fit():
    layers = nn.Sequential(nn.ReLU(), nn.Flatten())
    assert (len(layers), type(layers[-1]).__name__, len(layers[:1])) == (2, "Flatten", 1)
    assert len(layers.append(nn.ReLU())) == 3
    listed = nn.ModuleList([nn.Linear(1, 1)]).extend([nn.Linear(1, 1)])
    assert len(list(listed.parameters())) == 4
    with pytest.raises(TypeError, match=r"Sequential holds modules; got type.*with brackets"):
        nn.Sequential(nn.ReLU)
    with pytest.raises(IndexError, match="has 3 items; there is no number 5"):
        layers[5]


def test_sequential_takes_names():
    model = nn.Sequential({"body": nn.Linear(1, 1), "head": nn.Linear(1, 1)})
    assert [n for n, _ in model.named_children()] == ["body", "head"]


def test_a_parameter_is_not_replaced_by_what_would_not_be_trained():
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError,
                       match=r"Linear\.weight is a parameter: it takes a nn\.Parameter or None.*copy_"):
        layer.weight = cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]])
    layer.weight = nn.Parameter(cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]]))
    layer.bias = None
    assert [n for n, _ in layer.named_parameters()] == ["weight"]


def test_a_hand_written_update_changes_the_model():
    model = nn.Linear(2, 1)
    before = model.weight.tolist()
    model(cnnkit.tensor([[1.0, 2.0]])).sum().backward()
    with cnnkit.no_grad():
        for p in model.parameters():
            p -= 0.5 * p.grad
        model.weight *= 2
    assert model.weight.tolist() == [pytest.approx([2 * (before[0][0] - 0.5), 2 * (before[0][1] - 1.0)])]
    assert isinstance(model.weight, nn.Parameter)


def test_equal_neighbours_in_a_list_share_a_line_as_in_pytorch():
    listed = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Sequential(nn.Tanh())])
    assert repr(listed) == "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Sequential(\n    (0): Tanh()\n  )\n)"
    assert repr(nn.ModuleList()) == "ModuleList()"
