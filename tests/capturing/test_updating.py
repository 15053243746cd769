"""An optimizer's step inside the replayed list: its settings, its state, and what changes them."""

import copy

import numpy as np
import pytest
from captured_steps import NETS, batches, replayed, same, sgd

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim
from cnnkit.capturing import capture

pytestmark = replayed

NATIVE = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD, all": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True, maximize=True),
    "SGD, damped": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.3),
    "Adam": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.1),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01, betas=(0.8, 0.95)),
    "AMSGrad": lambda p: optim.AdamW(p, amsgrad=True, maximize=True),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01),
    "RMSprop, all": lambda p: optim.RMSprop(p, momentum=0.5, centered=True, weight_decay=0.1, alpha=0.9),
}


def adam(model):
    return optim.Adam(model.parameters(), lr=0.01)


def is_native(run):
    """Whether all is one list, without an optimizer's step in Python after it."""
    plan, = run.plans
    return len(plan.steps) == 1 and not plan.actions and bool(plan.groups)


@pytest.mark.parametrize("name", NATIVE)
def test_the_update_is_a_part_of_the_list(name):
    run = same(optimizer=lambda model: NATIVE[name](model.parameters()))
    assert (run.replays, is_native(run)) == (4, True)


def test_other_optimizers_step_after_the_list():
    run = same(optimizer=lambda model: optim.Adagrad(model.parameters()))
    assert (run.replays, is_native(run), len(run.plans[0].actions)) == (4, False, 1)


@pytest.mark.parametrize("make", [sgd, adam])
def test_schedules_need_no_other_recording(make):
    def schedule(optimizer):
        return optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=9)
    run = same(optimizer=make, schedule=schedule, count=9)
    assert (run.replays, is_native(run)) == (6, True)


def test_every_group_has_its_settings():
    run = same(optimizer=lambda m: optim.SGD([{"params": m[0].parameters(), "lr": 0.2},
                                              {"params": m[-1].parameters(), "weight_decay": 0.1}],
                                             lr=0.05, momentum=0.5))
    assert (run.replays, is_native(run), len(run.plans[0].groups)) == (4, True, 2)


def test_parameters_without_a_gradient_stay():
    def make():
        model = NETS["two layers"]()
        model[0].requires_grad_(False)
        return model
    run = same(make=make, optimizer=adam)
    assert (run.replays, is_native(run)) == (4, True)


def settings_of_every_kind(n, model, optimizer):
    group = optimizer.param_groups[0]
    group["lr"], group["weight_decay"] = (0.01 * n, 0.02) if n % 2 else (np.float32(0.1), cnnkit.tensor(0.3))


def other_momentum(n, model, optimizer):
    optimizer.param_groups[0]["momentum"] = 0.9 if n < 4 else 0.0 if n < 5 else 0.5


def loaded_state(n, model, optimizer):
    if n == 4:
        loaded_state.saved = copy.deepcopy(optimizer.state_dict())
    if n == 6:
        optimizer.load_state_dict(loaded_state.saved)


def state_that_is_looked_at(n, model, optimizer):
    if n == 5:
        for state in optimizer.state.values():
            state["momentum_buffer"].mul_(0.5)


def gone_state(n, model, optimizer):
    if n == 5:
        optimizer.load_state_dict({**optimizer.state_dict(), "state": {}})


def another_group(n, model, optimizer):
    if n == 5:
        extra = cnnkit.ones(3, requires_grad=True)
        extra.sum().backward()
        optimizer.add_param_group({"params": [extra], "lr": 0.5})


def a_step_outside(n, model, optimizer):
    if n in (4, 5, 7):
        optimizer.step()


@pytest.mark.parametrize(("between", "replays"), [
    (settings_of_every_kind, 7), (other_momentum, 3), (loaded_state, 7), (state_that_is_looked_at, 2),
    (gone_state, 3), (another_group, 3), (a_step_outside, 7)],
    ids=lambda value: getattr(value, "__name__", ""))
def test_what_changes_the_optimizer_counts(between, replays):
    assert same(between=between, count=10).replays >= replays


def test_steps_are_counted_whoever_makes_them():
    run = same(optimizer=adam, between=a_step_outside, count=10)
    assert (run.replays, is_native(run)) == (7, True)


def test_a_replay_that_fails_leaves_parameters_and_state_whole():
    cnnkit.random.seed(0)
    model = NETS["guide"]()
    optimizer = optim.Adam(model.parameters())

    @capture
    def step(x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    def seen():
        state = [value.numpy().tobytes() if isinstance(value, cnnkit.Tensor) else value
                 for values in optimizer.state_dict()["state"].values() for value in values.values()]
        return [p.numpy().tobytes() for p in model.parameters()] + state
    data = batches(6)
    for x, y in data[:5]:
        step(x, y)
    before = seen()
    with pytest.raises(ValueError, match="the label 10"):
        step(data[5][0], cnnkit.tensor(np.array([1, 2, 3, 4, 5, 10])))
    assert seen() == before
    step(*data[5])
    assert step.replays == 3
    assert seen() != before


def test_parameters_and_state_that_are_kept_keep_their_numbers():
    cnnkit.random.seed(0)
    model = NETS["guide"]()
    optimizer = sgd(model)

    @capture
    def step(x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    kept, copies = [], []
    for x, y in batches(9):
        step(x, y)
        kept += [p.numpy() for p in model.parameters()]
        kept += optimizer._states[0]["momentum_buffer"]
        copies += [array.copy() for array in kept[len(copies):]]
    assert step.replays == 6
    assert all((array == copied).all() for array, copied in zip(kept, copies, strict=True))


def test_two_optimizers_in_one_step():
    def run(captured):
        cnnkit.random.seed(0)
        first, second = NETS["guide"](), nn.Linear(10, 10)
        optimizers = sgd(first), optim.Adam(second.parameters())

        def step(x, y):
            optimizers[0].zero_grad()
            loss = F.cross_entropy(first(x), y)
            loss.backward()
            optimizers[0].step()
            with cnnkit.no_grad():
                scores = first(x)
            optimizers[1].zero_grad()
            F.cross_entropy(second(scores), y).backward()
            optimizers[1].step()
            return loss
        call = capture(step, warn=False) if captured else step
        seen = [call(x, y).numpy().tobytes() for x, y in batches(8)]
        return seen + [p.numpy().tobytes() for m in (first, second) for p in m.parameters()], call
    seen, call = run(True)
    assert seen == run(False)[0]
    assert (call.replays, is_native(call)) == (5, True)


def test_results_that_are_kept_cost_no_parameters():
    model = NETS["guide"]()
    optimizer = sgd(model)

    @capture
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss
    losses = [step(x, y) for x, y in batches(12)]
    plan, = step.plans
    assert len({id(loss.array) for loss in losses}) == 12
    assert len(plan.carried._sets) == 2


def test_views_of_what_a_step_has_made_keep_their_numbers():
    cnnkit.random.seed(0)
    model = NETS["guide"]()
    optimizer = sgd(model)

    @capture
    def step(x, y):
        optimizer.zero_grad()
        output = model(x)
        F.cross_entropy(output, y).backward()
        optimizer.step()
        return output
    kept, copies = [], []
    for x, y in batches(9):
        output = step(x, y)
        kept += [output.numpy()[1:, ::2], memoryview(output.numpy())[:1], model[0].weight.numpy().reshape(-1),
                 model[4].weight.grad.numpy()[0]]
        copies += [np.array(array) for array in kept[len(copies):]]
        del output
    assert step.replays == 6
    assert all((np.asarray(array) == copied).all() for array, copied in zip(kept, copies, strict=True))


def test_gradients_that_are_changed_in_place_are_new_at_the_next_step():
    def run(captured):
        cnnkit.random.seed(0)
        model = NETS["guide"]()
        optimizer = sgd(model)

        def step(x, y):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        call, seen = capture(step, warn=False) if captured else step, []
        for n, (x, y) in enumerate(batches(10)):
            call(x, y)
            seen += [p.grad.numpy().tobytes() for p in model.parameters()]
            with cnnkit.no_grad():
                for p in model.parameters() if n in (3, 4) else ():
                    p.grad.mul_(2.0)
            if n == 6:
                model[0].weight.grad.requires_grad_()
            assert model[0].weight.grad.requires_grad is (n == 6)
        return seen, call
    seen, call = run(True)
    assert seen == run(False)[0]
    assert call.replays == 7
