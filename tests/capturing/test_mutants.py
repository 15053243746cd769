"""Wrong ways to capture must be noticed: each of them makes a test of captured steps fail."""

import numpy as np
import pytest
from captured_steps import NETS, batches, replayed, same, trained

import cnnkit
from cnnkit.autograd.updating import rebind
from cnnkit.capturing import captured, compiling, plan, recording, updating
from cnnkit.capturing.dependencies import Dependencies

pytestmark = replayed


def frozen_keys(monkeypatch):
    """Random keys stay those of the recording."""
    from cnnkit_cpu.replay import Executable

    monkeypatch.setattr(Executable, "set_key", lambda self, number, key: None)


def frozen_rate(monkeypatch):
    """The optimizer's settings stay those of the recorded step."""
    from cnnkit_cpu.replay import Executable

    monkeypatch.setattr(Executable, "set_number", lambda self, call, name, value: None)


def frozen_steps(monkeypatch):
    """The number of the optimizer's step stays that of the recorded one."""
    steps = updating.GroupUpdate.steps

    def frozen(self):
        self.first = steps(self) if not hasattr(self, "first") else self.first
        return self.first
    monkeypatch.setattr(updating.GroupUpdate, "steps", frozen)


def uncounted_steps(monkeypatch):
    """The optimizer's steps are not counted."""
    monkeypatch.setattr(updating.GroupUpdate, "count", lambda self, columns: {
        **columns, **({"step": self.optimizer._states[self.number]["step"]} if self.counted else {})})


def frozen_state(monkeypatch):
    """The optimizer keeps the state that it had."""
    monkeypatch.setattr(plan, "rebind", lambda tensors, values, states: rebind(tensors, values))


def old_places(monkeypatch):
    """What is there before the step is looked for where it was at the step before."""
    is_current = plan.Plan.is_current

    def blind(self):
        current = is_current(self)
        self._same = self.last is not None
        return current
    monkeypatch.setattr(plan.Plan, "is_current", blind)


def frozen_arguments(monkeypatch):
    """The data stay those of the recorded call."""
    compute = plan.Plan.compute

    def frozen(self, arrays):
        self.first = arrays if not hasattr(self, "first") else self.first
        return compute(self, self.first)
    monkeypatch.setattr(plan.Plan, "compute", frozen)


def frozen_counters(monkeypatch):
    """Batch norm does not count the batches that are replayed."""
    monkeypatch.setattr(recording.Recording, "affect", lambda self, effect: None)


def frozen_statistics(monkeypatch):
    """Running statistics stay those of the last call that was no replay."""
    def frozen(tensors, values, states):
        buffers = [(t, t.array) for t in tensors if not t.requires_grad]
        rebind(tensors, values, states)
        rebind([t for t, _ in buffers], (t.rebind(array) for t, array in buffers))
    monkeypatch.setattr(plan, "rebind", frozen)


def frozen_settings(monkeypatch):
    """Modes of modules do not count."""
    monkeypatch.setattr(Dependencies, "settings", lambda self: ())


def overwritten_early(monkeypatch):
    """All memory of the arena is needed for a moment only."""
    arrange = compiling.arrange
    monkeypatch.setattr(compiling, "arrange",
                        lambda lives: arrange([(size, first, first) for size, first, _ in lives]))


def unchecked_calls(monkeypatch):
    """What a call returns, such as that a label is ignored, is not looked at."""
    from cnnkit_cpu.replay import Executable

    run = Executable.run
    monkeypatch.setattr(Executable, "run", lambda self, bases: 0 * run(self, bases))


def adam(model):
    return cnnkit.optim.Adam(model.parameters(), lr=0.01)


def change_weights(n, model, optimizer):
    if n == 6:
        model.load_state_dict({name: value * 0.5 for name, value in model.state_dict().items()})


def change_mode(n, model, optimizer):
    if n == 5:
        model[2].eval()


def with_an_ignored_label():
    data = batches(7)
    return [*data[:5], (data[5][0], cnnkit.tensor(np.array([1, -100, 3, 4, 5, 6]))), data[6]]


MUTANTS = [
    (frozen_keys, {"make": NETS["dropout"]}),
    (frozen_rate, {"schedule": lambda o: cnnkit.optim.lr_scheduler.StepLR(o, 1, 0.5)}),
    (frozen_rate, {"optimizer": adam}),
    (frozen_steps, {"optimizer": adam}),
    (uncounted_steps, {"optimizer": adam}),
    (frozen_state, {}),
    (old_places, {"between": change_weights, "count": 9}),
    (frozen_arguments, {}),
    (frozen_counters, {"make": NETS["batch norm"]}),
    (frozen_statistics, {"make": NETS["batch norm"]}),
    (frozen_settings, {"make": NETS["dropout"], "between": change_mode}),
    (overwritten_early, {"make": NETS["two layers"]}),
    (unchecked_calls, {"data": with_an_ignored_label()}),
]


@pytest.mark.parametrize(("mutant", "settings"), MUTANTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_wrong_capture_is_noticed(mutant, settings, monkeypatch):
    same(**settings)
    mutant(monkeypatch)
    with monkeypatch.context() as trusting:  # the comparison of the third call would notice most of them too
        trusting.setattr(captured, "difference", lambda plan, outcome, result: "")
        expected, _ = trained(False, **settings)
        seen, run = trained(True, **settings)
    assert run.replays > 0
    assert seen != expected


def test_the_third_call_notices_by_itself(monkeypatch):
    overwritten_early(monkeypatch)
    _, run = trained(True, make=NETS["two layers"])
    assert run.replays == 0
    assert "differs between two calls" in run.reasons[0]


def test_a_plan_lets_go_of_what_it_does_not_need():
    def step(x, y):
        return cnnkit.exp(x) * 2
    run = captured.capture(step)
    for x, y in batches(5):
        run(x, y)
    made, = run.plans
    outcome = made.compute([x.array, y.array])
    assert made.thunks == ["exp", "mul"]
    assert outcome.arrays.keys() == {*(slot.number for slot in made.kept), *made.argument_numbers}


def test_results_in_one_memory_would_lose_those_that_are_kept(monkeypatch):
    from cnnkit_cpu.replay import CNativeCalls

    def kept():
        run = captured.capture(lambda x, y: cnnkit.nn.functional.relu(x))
        pairs = [(run(x, y), x) for x, y in batches(6)]
        return all((result.numpy() == np.maximum(x.numpy(), 0)).all() for result, x in pairs)
    assert kept()
    memories, memory = {}, CNativeCalls.memory
    monkeypatch.setattr(CNativeCalls, "memory",
                        lambda self, size: memories.setdefault(size, memory(self, size)))
    assert not kept()
