"""Optimizers: ten steps beside PyTorch's, their state, their groups, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest
from loopback import loopback

import cnnkit
from cnnkit import backends, optim
from cnnkit.autograd import deferral
from cnnkit.autograd.tape import mode
from cnnkit.functional import l2_penalty

CASES = [
    ("SGD", {"lr": 0.1}), ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "maximize": True}),
    ("Adam", {}), ("Adam", {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {"lr": 0.1}), ("AdamW", {"weight_decay": 0.3, "amsgrad": True, "maximize": True}),
]
SHAPES = [(3, 4), (4,), (2, 3, 2, 2)]


def parameters(dtype="float64", backend="numpy", seed=0):
    rng = np.random.default_rng(seed)
    return [cnnkit.tensor(rng.normal(size=s), requires_grad=True, dtype=dtype, backend=backend)
            for s in SHAPES]


def set_gradients(params, step):
    """The same gradients whichever library asks; the middle parameter has none in every third step."""
    rng = np.random.default_rng(100 + step)
    for n, p in enumerate(params):
        g = rng.normal(size=tuple(p.shape))
        if isinstance(p, cnnkit.Tensor):
            p.grad = None if n == 1 and step % 3 == 0 else cnnkit.tensor(g, dtype=p.dtype, backend=p.backend)
        else:
            p.grad = None if n == 1 and step % 3 == 0 else p.new_tensor(g)


def train(optimizer, params, steps, first=0):
    for step in range(first, first + steps):
        set_gradients(params, step)
        optimizer.step()


@pytest.fixture
def p():
    return cnnkit.tensor([1.0, 2.0], requires_grad=True)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize(("name", "settings"), CASES)
def test_ten_steps_equal_pytorch(name, settings, kernels):
    torch = pytest.importorskip("torch")
    params = parameters()
    theirs = [torch.tensor(p.numpy().copy(), requires_grad=True) for p in params]
    ours, reference = getattr(optim, name)(params, **settings), getattr(torch.optim, name)(theirs, **settings)
    with backends.tables(*["numpy"] * kernels):
        train(ours, params, 10)
    train(reference, theirs, 10)
    for a, b in zip(params, theirs):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("library", ["array-api-strict", "jax"])
@pytest.mark.parametrize(("name", "settings"), [CASES[3], CASES[7]])
def test_other_array_libraries_agree_with_numpy(name, settings, library):
    try:
        backends.get(library)
    except backends.Unavailable as reason:
        pytest.skip(str(reason))
    results = []
    for where in "numpy", library:
        params = parameters("float32", where)
        train(getattr(optim, name)(params, **settings), params, 3)
        results.append([p.numpy() for p in params])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_defaults_are_pytorchs():
    torch = pytest.importorskip("torch")
    for name in "SGD", "Adam", "AdamW":
        params = parameters()
        ours = getattr(optim, name)(params).param_groups[0]
        theirs = getattr(torch.optim, name)([torch.zeros(2)]).param_groups[0]
        for setting in ours.keys() - {"params", "decoupled_weight_decay"}:
            assert ours[setting] == theirs[setting], f"{name} {setting}"


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_a_run_that_resumes_from_its_state_repeats_bit_for_bit(name, settings):
    whole = parameters()
    train(getattr(optim, name)(whole, **settings), whole, 6)
    params = parameters()
    first = getattr(optim, name)(params, **settings)
    train(first, params, 3)
    saved, values = first.state_dict(), [p.numpy().copy() for p in params]
    train(first, params, 3, first=3)
    resumed = [cnnkit.tensor(v, requires_grad=True) for v in values]
    second = getattr(optim, name)(resumed)
    second.load_state_dict(saved)
    train(second, resumed, 3, first=3)
    for a, b, c in zip(whole, params, resumed):
        assert a.numpy().tobytes() == b.numpy().tobytes() == c.numpy().tobytes()


@pytest.mark.needs("torch")
@pytest.mark.parametrize(("name", "settings"), [c for c in CASES if c[1].get("momentum") or "Adam" in c[0]])
def test_a_state_of_pytorch_loads(name, settings):
    torch = pytest.importorskip("torch")
    params = parameters()
    theirs = [torch.tensor(p.numpy().copy(), requires_grad=True) for p in params]
    reference = getattr(torch.optim, name)(theirs, **settings)
    train(reference, theirs, 4)
    ours = [cnnkit.tensor(t.detach().numpy().copy(), requires_grad=True) for t in theirs]
    optimizer = getattr(optim, name)(ours)
    optimizer.load_state_dict(reference.state_dict())
    train(reference, theirs, 3, first=4)
    train(optimizer, ours, 3, first=4)
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_the_state_dict_has_pytorchs_structure():
    torch = pytest.importorskip("torch")
    params = parameters()
    theirs = [torch.tensor(p.numpy().copy(), requires_grad=True) for p in params]
    ours = optim.Adam([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}])
    reference = torch.optim.Adam([{"params": theirs[:1]}, {"params": theirs[1:], "lr": 0.5}])
    train(ours, params, 2)
    train(reference, theirs, 2)
    a, b = ours.state_dict(), reference.state_dict()
    assert [(g["params"], g["lr"]) for g in a["param_groups"]] == [(g["params"], g["lr"])
                                                                   for g in b["param_groups"]]
    assert {n: set(s) for n, s in a["state"].items()} == {n: set(s) for n, s in b["state"].items()}
    assert {n: s["step"] for n, s in a["state"].items()} == {n: int(s["step"]) for n, s in b["state"].items()}
    assert ours.state[params[2]]["exp_avg"].tolist() == a["state"][2]["exp_avg"].tolist()


def test_a_saved_state_is_a_snapshot():
    params = parameters()
    optimizer = optim.Adam(params)
    train(optimizer, params, 1)
    saved = optimizer.state_dict()
    before = saved["state"][0]["exp_avg"].numpy().copy()
    train(optimizer, params, 2)
    assert (saved["state"][0]["exp_avg"].numpy() == before).all()


def test_a_state_that_does_not_fit_raises_and_changes_nothing():
    params = parameters()
    optimizer = optim.SGD(params, lr=0.1, momentum=0.5)
    train(optimizer, params, 2)
    saved = optimizer.state_dict()
    with pytest.raises(ValueError, match="different number of parameter groups: 1; the optimizer has 2"):
        optim.SGD([{"params": params[:1]}, {"params": params[1:]}]).load_state_dict(saved)
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group: 3 parameters; "
                       "the optimizer's has 2"):
        optim.SGD(params[:2]).load_state_dict(saved)
    other = optim.SGD([params[1], params[0], params[2]], lr=7.0, momentum=0.5)
    with pytest.raises(ValueError, match=r"state 'momentum_buffer' of parameter 0 has shape \(3, 4\); "
                       r"the parameter has \(4,\)"):
        other.load_state_dict(saved)
    assert other.param_groups[0]["lr"] == 7.0
    assert not other.state


def test_weight_decay_does_what_the_l2_penalty_in_the_loss_does():
    a, b = parameters(), parameters()
    decayed, penalised = (optim.SGD(a, lr=0.1, momentum=0.9, weight_decay=0.3),
                          optim.SGD(b, lr=0.1, momentum=0.9))
    for _ in range(5):
        for params, strength, optimizer in (a, 0.0, decayed), (b, 0.3, penalised):
            loss = sum((p * p * p).sum() for p in params) + strength * l2_penalty(params)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for x, y in zip(a, b):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-12)


def test_groups_have_their_own_settings_and_the_rate_may_change(p):
    q = cnnkit.tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([{"params": [p], "lr": 1.0}, {"params": q}], lr=0.5)
    p.grad, q.grad = cnnkit.tensor([1.0, 1.0]), cnnkit.tensor([1.0])
    optimizer.step()
    assert (p.tolist(), q.tolist()) == ([0.0, 1.0], [0.5])
    optimizer.param_groups[0]["lr"] = 0.25
    optimizer.step()
    assert (p.tolist(), q.tolist()) == ([-0.25, 0.75], [0.0])


def test_a_group_may_come_later(p):
    q = cnnkit.tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=0.5, momentum=0.9)
    optimizer.add_param_group({"params": [q], "lr": 1.0})
    assert [g["lr"] for g in optimizer.param_groups] == [0.5, 1.0]
    assert optimizer.param_groups[1]["momentum"] == 0.9


def test_without_a_gradient_a_parameter_stays_as_it_is(p):
    optimizer = optim.Adam([p])
    array = p.array
    optimizer.step()
    assert p.array is array
    assert not optimizer.state


def test_a_step_counts_as_a_change_in_place(p):
    loss = (p * p).sum()
    p.grad = cnnkit.tensor([1.0, 1.0])
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_a_step_reaches_who_shares_memory_and_no_array_that_was_handed_out(p):
    array, detached, view = p.numpy(), p.detach(), p.data[1:]
    for optimizer in optim.SGD([p], lr=0.1, momentum=0.9), optim.Adam([p]):
        for _ in range(2):
            p.grad = cnnkit.tensor([1.0, 1.0])
            optimizer.step()
    assert array.tolist() == [1.0, 2.0]
    assert p.tolist() == detached.tolist() != array.tolist()
    assert view.tolist() == p.tolist()[1:]


def test_closure_is_called_with_the_tape_recording(p):
    optimizer = optim.SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss
    with cnnkit.no_grad():
        assert optimizer.step(closure).item() == 5.0
    assert p.tolist() == [0.0, 0.0]


def test_a_step_computes_what_waits_for_the_old_parameters(p):
    x = cnnkit.tensor([[1.0, 1.0]])
    weight = cnnkit.tensor([[1.0, 2.0]], requires_grad=True)
    weight.grad = cnnkit.tensor([[1.0, 1.0]])
    with loopback():
        mode.inside = True
        try:
            y = cnnkit.functional.linear(x, weight)
            assert y._link is not None
            optim.SGD([weight], lr=0.5).step()
            assert y._link is None
        finally:
            mode.inside = False
            deferral.flush()
    assert y.item() == 3.0


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))],
                         ids=["deepcopy", "pickle"])
@pytest.mark.parametrize(("name", "settings"), [("SGD", {"lr": 0.1, "momentum": 0.9}), ("Adam", {})])
def test_a_copy_goes_on_by_itself_where_the_optimizer_was(copied, name, settings):
    params = parameters("float32")
    optimizer = getattr(optim, name)(params, **settings)
    train(optimizer, params, 3)
    copied_optimizer, copied_params = copied((optimizer, params))
    train(copied_optimizer, copied_params, 4, first=3)
    train(optimizer, params, 4, first=3)
    for mine, theirs in zip(params, copied_params):
        assert mine.numpy().tobytes() == theirs.numpy().tobytes()


def test_zero_grad_forgets_or_zeroes(p):
    optimizer = optim.SGD([p])
    p.grad = cnnkit.tensor([1.0, 1.0])
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None


def test_state_follows_parameters_that_move():
    strict = cnnkit.backends.get("array-api-strict")
    stay, move = parameters(), parameters()
    results = []
    for params in stay, move:
        optimizer = optim.Adam(params, lr=0.1)
        train(optimizer, params, 2)
        if params is move:
            for p in params:
                with cnnkit.no_grad():
                    p.replace_(strict.asarray(p.numpy()))
        train(optimizer, params, 2, first=2)
        results.append([p.numpy() for p in params])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda p: optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
    (optim.SGD, TypeError, "an iterable of Tensors or dicts"),
    (lambda p: optim.SGD([3.0]), TypeError, "one of the params is float"),
    (lambda p: optim.SGD([p * 2]), ValueError, "can't optimize a non-leaf Tensor"),
    (lambda p: optim.SGD([p, p]), ValueError, "appear more than once"),
    (lambda p: optim.SGD([{"params": [p]}, {"params": [p]}]), ValueError, "appear more than once"),
    (lambda p: optim.SGD([p], lr=-1), ValueError, "Invalid learning rate: -1"),
    (lambda p: optim.SGD([{"params": [p], "lr": -1}]), ValueError, "Invalid learning rate: -1"),
    (lambda p: optim.SGD([p], momentum=-1), ValueError, "Invalid momentum value: -1"),
    (lambda p: optim.SGD([p], weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
    (lambda p: optim.SGD([p], nesterov=True), ValueError,
     "Nesterov momentum requires a momentum and zero dampening"),
    (lambda p: optim.Adam([p], betas=(0.9,)), ValueError, r"Invalid betas, a pair of numbers: \(0\.9,\)"),
    (lambda p: optim.Adam([p], betas=(0.9, 1.0)), ValueError, "Invalid beta parameter at index 1: 1.0"),
    (lambda p: optim.Adam([p], eps=-1), ValueError, "Invalid epsilon value: -1"),
    (lambda p: optim.AdamW([p], weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
])
def test_what_is_wrong_raises(p, make, error, message):
    with pytest.raises(error, match=message):
        make(p)


def test_a_gradient_unlike_its_parameter_raises(p):
    p.grad = cnnkit.tensor([1.0, 1.0])
    with cnnkit.no_grad():
        p.replace_(np.ones((1, 2), np.float32))
    with pytest.raises(ValueError, match=r"parameter 0 is \(1, 2\) float32, but its grad \(2,\) float32"):
        optim.SGD([p]).step()


def test_repr_lists_the_settings_of_every_group(p):
    assert repr(optim.SGD([p], lr=0.5)).startswith("SGD (\nParameter Group 0\n    "
                                                   "dampening: 0\n    lr: 0.5\n")


def test_averaged_descent_keeps_the_mean_of_the_parameters_since_its_beginning(p):
    optimizer = optim.ASGD([p], lr=0.1, t0=2)
    seen = []
    for step in range(6):
        p.grad = cnnkit.tensor([1.0 + step, -2.0 * step])
        optimizer.step()
        seen.append(p.numpy().copy())
    # the average begins with the parameters after step t0 + 1
    np.testing.assert_allclose(optimizer.state[p]["ax"].numpy(), np.mean(seen[3:], axis=0), rtol=1e-6)


def test_adamw_stays_decoupled_with_a_state_of_adam(p):
    optimizer = optim.AdamW([p], lr=0.5, weight_decay=0.5)
    optimizer.load_state_dict(optim.Adam([p], lr=0.5, weight_decay=0.5).state_dict())
    p.grad = cnnkit.tensor([0.0, 0.0])
    optimizer.step()
    assert p.tolist() == [0.75, 1.5]


def test_momentum_is_kept_for_a_parameter_without_axes():
    p = cnnkit.tensor(1.0, requires_grad=True)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    for _ in range(4):
        optimizer.zero_grad()
        (p * 1).backward()
        (p * 1).backward()
        optimizer.step()
    assert p.item() == pytest.approx(1 - 0.2 * (1 + 1.9 + 2.71 + 3.439))
