"""What cannot be captured is named with its line, and runs as ever; what changes in kind is told apart."""

import threading
import warnings

import numpy as np
import pytest
from captured_steps import NETS, batches, replayed, sgd

import cnnkit
from cnnkit import functional as F
from cnnkit import optim
from cnnkit.capturing import CaptureWarning, capture

pytestmark = replayed


def refused(step, match, count=4, arguments=batches, uses=()):
    """Run a step that cannot be captured: it warns once and goes on as ever."""
    run = capture(step, uses=uses)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = [run(*batch) for batch in arguments(count)]
    messages = [str(w.message) for w in caught if issubclass(w.category, CaptureWarning)]
    assert len(messages) == 1
    assert match in messages[0]
    assert run.replays == 0
    return results, messages[0]


def test_a_branch_on_a_value_is_named_with_its_line():
    model = NETS["guide"]()

    def step(x, y):
        output = model(x)
        if output.sum() > 0:
            output = -output
        return output.detach()
    _, message = refused(step, "are read")
    line = step.__code__.co_firstlineno + 2
    assert f"{__file__}:{line}" in message


@pytest.mark.parametrize(("read", "match"), [
    (lambda t: t.item(), "are read"), (float, "are read"), (lambda t: t.numpy(), "are read"),
    (lambda t: t.tolist(), "are read"), (lambda t: cnnkit.tensor(t.array + 1), "not made by an op")])
def test_a_value_that_leaves_the_step(read, match):
    weight = cnnkit.ones(1)

    def step(x, y):
        value = read(x.sum())
        return weight * value
    refused(step, match)


def test_an_array_of_unknown_origin():
    def step(x, y):
        return x * cnnkit.tensor(np.full(8, 2.0, np.float32))
    refused(step, "no argument of the step")


def test_a_result_that_is_kept_elsewhere():
    kept = []

    def step(x, y):
        kept.append(x * 2)
        return x + 1
    refused(step, "is kept after the step")


def test_a_number_that_changes_at_every_call():
    class Counter:
        value = 0

    def count():
        Counter.value += 1
        return float(Counter.value)

    def step(x, y):
        return x * count()
    refused(step, "differs between two calls")


def test_numbers_that_the_code_names_have_recordings_of_their_own():
    factor = 1.0

    def step(x, y):
        return x * factor
    run = capture(step)
    for n, (x, y) in enumerate(batches(12)):
        factor = float(n // 4)
        assert (run(x, y).numpy() == x.numpy() * np.float32(factor)).all()
    assert run.replays == 3


def test_a_result_that_waits_for_its_backward():
    model = NETS["guide"]()
    refused(lambda x, y: model(x), "backward() is still to come")


def test_draws_beside_ops():
    refused(lambda x, y: x * cnnkit.rand(*x.shape), "no argument of the step")


def test_a_schedule_in_the_step():
    model = NETS["guide"]()
    optimizer = sgd(model)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1)

    def step(x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        schedule.step()
    refused(step, "schedule")


def test_arguments_that_require_a_gradient_or_are_lists():
    refused(lambda x, y: x * 2, "requires a gradient",
            arguments=lambda n: [(cnnkit.ones(2, requires_grad=True), None)] * n)
    refused(lambda x: x[0] * 2, "takes Tensors and plain values",
            arguments=lambda n: [([cnnkit.ones(2)],)] * n)


def test_an_exception_in_the_recorded_call_is_the_steps_own():
    calls = []

    def step(x, y):
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("mine")
        return x * 2
    run = capture(step)
    data = batches(6)
    run(*data[0])
    with pytest.raises(KeyError, match="mine"):
        run(*data[1])
    for x, y in data[2:]:
        assert (run(x, y).numpy() == x.numpy() * 2).all()


def test_threads_run_one_at_a_time_or_as_ever():
    model = NETS["two layers"]().eval()
    run = capture(model)
    data = batches(8)
    with cnnkit.no_grad():
        expected = [model(x).numpy().tobytes() for x, _ in data]
        for x, _ in data:
            run(x)
    wrong = []

    def work():
        with cnnkit.no_grad():
            for _ in range(20):
                for (x, _), right in zip(data, expected):
                    if run(x).numpy().tobytes() != right:
                        wrong.append(1)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_captured_step_inside_another_is_a_part_of_it():
    inner = capture(lambda x: x * 2)
    outer = capture(lambda x: inner(x) + 1)
    for x, _ in batches(5):
        assert (outer(x).numpy() == x.numpy() * 2 + 1).all()
    assert (outer.replays, inner.replays) == (2, 0)


def test_what_is_no_function():
    with pytest.raises(TypeError, match="a function or a module"):
        capture(3)


def test_a_counter_that_the_code_names_is_said_to_make_every_call_another():
    count = 0

    def step(x, y):
        nonlocal count
        count += 1
        return x * count
    run, data = capture(step), batches(20)
    for n, (x, y) in enumerate(data[:16], 1):
        assert (run(x, y).numpy() == x.numpy() * n).all()
    with pytest.warns(CaptureWarning, match="no two of 16 calls were alike"):
        run(*data[16])
    assert run.replays == 0


def test_plain_arguments_are_told_apart_exactly():
    def step(x, y, factor):
        return x * factor
    run = capture(step)
    for factor in (0.0, -0.0, 1, 1.0, True, 0.0, -0.0, 1, 1.0, True) * 2:
        x, y = batches(1)[0]
        expected = step(x, y, factor)
        assert run(x, y, factor).numpy().tobytes() == expected.numpy().tobytes()
    assert len(run._forms) == 5


def test_arrays_that_are_not_aligned_run_as_ever():
    model = NETS["guide"]().eval()
    run = capture(model)
    with cnnkit.no_grad():
        for n, (x, _) in enumerate(batches(9)):
            raw = np.frombuffer(bytes(1) + x.numpy().tobytes(), np.float32, offset=1).reshape(x.shape)
            batch = cnnkit.Tensor(raw) if n in (4, 6) else x
            assert run(batch).numpy().tobytes() == model(batch).numpy().tobytes()
    assert run.replays == 4


def test_a_result_may_be_made_of_others_that_its_history_keeps():
    def step(x, y):
        total = x.sum()
        weight.grad = None
        loss = (x * weight).sum() / F.where(total == 0, total + 1, total)
        loss.backward()
        return loss
    weight = cnnkit.ones(1, requires_grad=True)
    run = capture(step)
    for x, y in batches(5):
        assert run(x, y).numpy().tobytes() == step(x, y).numpy().tobytes()
    assert run.replays == 2
