"""Optimizers as PyTorch's users write them: a `step` of their own, on `param_groups` and `self.state`."""

import copy
import math
import pickle
from collections import defaultdict

import numpy as np
import pytest

import cnnkit
from cnnkit import optim

SHAPES = [(3, 4), (5,), (2, 3, 2, 2), ()]


def draws(seed):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape)) for shape in SHAPES]


def train(params, optimizer, steps):
    """The same gradients on either side; the second parameter has none in every third step."""
    for step in steps:
        for n, (p, g) in enumerate(zip(params, draws(100 + step))):
            tensor = cnnkit.tensor(g) if isinstance(p, cnnkit.Tensor) else p.new_tensor(g)
            p.grad = None if n == 1 and step % 3 == 0 else tensor
        optimizer.step()


def numbers(params):
    return [np.array(p.detach().numpy()) for p in params]


def optimizers(torch):
    """What users write; `torch` may be cnnkit."""
    Optimizer = torch.optim.Optimizer

    class RAdam(Optimizer):
        """Liu's own code, in the style of 2019."""

        def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1):
            if not lr >= 0.0:
                raise ValueError(f"Invalid learning rate: {lr}")
            self.degenerated_to_sgd = True
            super(RAdam, self).__init__(params, dict(lr=lr, betas=betas, eps=eps,  # noqa: C408, UP008
                                                     weight_decay=weight_decay))

        def __setstate__(self, state):
            super(RAdam, self).__setstate__(state)  # noqa: UP008
            for group in self.param_groups:
                group.setdefault("amsgrad", False)

        def step(self, closure=None):
            loss = None
            if closure is not None:
                loss = closure()
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    grad = p.grad.data
                    p_data = p.data
                    state = self.state[p]
                    if len(state) == 0:
                        state["step"] = 0
                        state["exp_avg"] = torch.zeros_like(p_data)
                        state["exp_avg_sq"] = torch.zeros_like(p_data)
                    exp_avg, exp_avg_sq = state["exp_avg"], state["exp_avg_sq"]
                    beta1, beta2 = group["betas"]
                    exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
                    exp_avg.mul_(beta1).add_(grad, alpha=1 - beta1)
                    state["step"] += 1
                    bias_correction1 = 1 - beta1 ** state["step"]
                    step_size = group["lr"] * math.sqrt(1 - beta2 ** state["step"]) / bias_correction1
                    if group["weight_decay"] != 0:
                        p_data.add_(p_data, alpha=-group["weight_decay"] * group["lr"])
                    denom = exp_avg_sq.sqrt().add_(group["eps"])
                    p_data.addcdiv_(exp_avg, denom, value=-step_size)
            return loss

    class Modern(Optimizer):
        """With no_grad, in-place changes of the parameters themselves, and Tensors and lists as state."""

        def __init__(self, params, lr=0.1, momentum=0.9):
            super().__init__(params, {"lr": lr, "momentum": momentum})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        state = self.state[p]
                        if "buffer" not in state:
                            state["buffer"], state["seen"] = p.grad.clone().detach(), []
                        else:
                            state["buffer"].mul_(group["momentum"]).add_(p.grad)
                        state["seen"].append(len(state["seen"]))
                        p.add_(state["buffer"], alpha=-group["lr"])
                        p.mul_(1 - 0.01 * group["lr"])

    class Lookahead(Optimizer):
        """Zhang et al. 2019: another optimizer inside, whose groups it shares."""

        def __init__(self, optimizer, k=3, alpha=0.5):
            self.optimizer, self.k, self.alpha = optimizer, k, alpha
            self.param_groups = self.optimizer.param_groups
            self.state = defaultdict(dict)
            for group in self.param_groups:
                group["counter"] = 0

        def step(self, closure=None):
            loss = self.optimizer.step(closure)
            for group in self.param_groups:
                if group["counter"] == 0:
                    for fast in group["params"]:
                        state = self.state[fast]
                        if "slow_param" not in state:
                            state["slow_param"] = torch.zeros_like(fast.data)
                            state["slow_param"].copy_(fast.data)
                        slow = state["slow_param"]
                        slow += (fast.data - slow) * self.alpha
                        fast.data.copy_(slow)
                group["counter"] = (group["counter"] + 1) % self.k
            return loss

    class Clipped(torch.optim.SGD):
        """A built-in one whose step is begun by another."""

        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.grad.data.clamp_(-0.5, 0.5)
                        if "momentum_buffer" in self.state[p]:
                            self.state[p]["momentum_buffer"].mul_(0.9)
            return super().step(closure)

    return {"radam": lambda p: RAdam(p, lr=0.05), "modern": Modern,
            "lookahead": lambda p: Lookahead(torch.optim.Adam(p, lr=0.1)),
            "clipped": lambda p: Clipped(p, lr=0.1, momentum=0.9)}


NAMES = ["radam", "modern", "lookahead", "clipped"]


def parameters(torch, values=None):
    values = draws(0) if values is None else values
    return [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]


@pytest.mark.parametrize("name", NAMES)
def test_twenty_steps_equal_pytorch(name):
    torch = pytest.importorskip("torch")
    results = []
    for module in cnnkit, torch:
        params = parameters(module)
        optimizer = optimizers(module)[name](params)
        train(params, optimizer, range(20))
        results.append(numbers(params))
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize("name", ["radam", "modern", "clipped"])
@pytest.mark.parametrize("way", ["state_dict", "deepcopy"])
def test_it_goes_on_from_a_copy_of_its_state(name, way):
    params = parameters(cnnkit)
    optimizer = optimizers(cnnkit)[name](params)
    train(params, optimizer, range(5))
    if way == "deepcopy":
        again, copied = copy.deepcopy((params, optimizer))
    else:
        again = parameters(cnnkit, numbers(params))
        copied = optimizers(cnnkit)[name](again)
        copied.load_state_dict(optimizer.state_dict())
    for ps, o in (params, optimizer), (again, copied):
        train(ps, o, range(5, 10))
    for a, b in zip(numbers(params), numbers(again)):
        np.testing.assert_array_equal(a, b)
    if name == "radam" and way == "state_dict":
        assert copied.param_groups[0]["amsgrad"] is False, "__setstate__ was called, as in PyTorch"


def test_a_state_dict_is_a_snapshot_and_keeps_what_belongs_to_no_parameter():
    params = parameters(cnnkit)
    optimizer = optimizers(cnnkit)["modern"](params)
    train(params, optimizer, range(1, 3))
    optimizer.state["total"] = {"steps": 2}
    saved = optimizer.state_dict()
    before = saved["state"][0]["buffer"].tolist()
    train(params, optimizer, range(3, 5))
    assert saved["state"][0]["buffer"].tolist() == before
    assert (saved["state"][0]["seen"], saved["state"]["total"]) == ([0, 1], {"steps": 2})
    optimizer.load_state_dict(saved)
    assert optimizer.state["total"] == {"steps": 2}
    assert optimizer.state[params[0]]["seen"] == [0, 1]


@pytest.mark.parametrize(("kind", "key"), [("SGD", "momentum_buffer"), ("Adam", "exp_avg")])
def test_what_is_changed_in_the_state_of_a_built_in_one_counts(kind, key):
    def run(change):
        params = parameters(cnnkit)
        optimizer = getattr(optim, kind)(params, lr=0.1, **{"momentum": 0.9} if kind == "SGD" else {})
        train(params, optimizer, range(1, 4))
        change(optimizer, params)
        train(params, optimizer, range(4, 7))
        return numbers(params), optimizer, params

    plain, _, _ = run(lambda o, ps: None)
    read, optimizer, params = run(lambda o, ps: o.state)
    for a, b in zip(plain, read):
        np.testing.assert_array_equal(a, b)
    assert optimizer.state[params[0]][key].tolist() == optimizer.state_dict()["state"][0][key].tolist()

    def halved(o, ps):
        for entry in o.state.values():
            entry[key].mul_(0.5)
    assert not np.allclose(run(halved)[0][0], plain[0])
    replaced, _, _ = run(lambda o, ps: o.state[ps[0]].update({key: o.state[ps[0]][key] * 0.5}))
    np.testing.assert_allclose(replaced[0], run(halved)[0][0])
    np.testing.assert_array_equal(replaced[1], plain[1])

    def forgotten(o, ps):
        o.state = defaultdict(dict)
    forgets, optimizer, params = run(forgotten)
    assert not np.allclose(forgets[0], plain[0])
    saved = optimizer.state_dict()
    held = optimizer.state
    optimizer.load_state_dict(saved)
    assert held is optimizer.state
    assert held[params[0]][key].tolist() == saved["state"][0][key].tolist()


def test_a_copied_built_in_one_whose_state_was_read_goes_on():
    params = parameters(cnnkit)
    optimizer = optim.Adam(params, lr=0.1)
    train(params, optimizer, range(1, 3))
    assert len(optimizer.state) == len(params)
    again, copied = pickle.loads(pickle.dumps((params, optimizer)))
    for ps, o in (params, optimizer), (again, copied):
        train(ps, o, range(3, 6))
    for a, b in zip(numbers(params), numbers(again)):
        np.testing.assert_array_equal(a, b)


def test_a_class_without_a_step_or_a_required_setting_says_so():
    class Nothing(optim.Optimizer):
        def __init__(self, params, defaults):
            super().__init__(params, defaults)
    params = parameters(cnnkit)
    with pytest.raises(NotImplementedError, match=r"Nothing must define step\(\)"):
        Nothing(params, {}).step()
    with pytest.raises(ValueError, match="didn't specify a value of required optimization parameter lr"):
        Nothing(params, {"lr": optim.optimizer.required})
