"""A captured step gives the bits of the step, whatever changes between calls."""


import numpy as np
import pytest
from captured_steps import NETS, batches, replayed, same, sgd

import cnnkit
from cnnkit import backends, nn, optim
from cnnkit import functional as F
from cnnkit.capturing import capture

pytestmark = replayed


@pytest.mark.parametrize("name", NETS)
def test_every_network_learns_the_same_bits(name):
    run = same(make=NETS[name])
    assert (run.replays, run.reasons) == (4, [])


@pytest.mark.parametrize("make", [
    sgd, lambda m: optim.SGD(m.parameters(), lr=0.1), lambda m: optim.Adam(m.parameters(), lr=0.01),
    lambda m: optim.AdamW(m.parameters(), amsgrad=True), lambda m: optim.RMSprop(m.parameters())])
def test_every_optimizer_learns_the_same_bits(make):
    assert same(optimizer=make, make=NETS["dropout"]).replays == 4


@pytest.mark.parametrize("drops", [
    nn.Dropout2d(0.4), nn.AlphaDropout(0.4), lambda x: F.stochastic_depth(x, 0.4, "row")],
    ids=["channels", "alpha", "samples"])
def test_draws_for_channels_and_samples_are_made_anew(drops):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(512, 10)

        def forward(self, x):
            return self.fc(drops(self.conv(x)).flatten(1))
    run = same(make=Net)
    assert (run.replays, run.reasons) == (4, [])


def test_a_schedule_changes_the_learning_rate_between_replays():
    assert same(schedule=lambda o: optim.lr_scheduler.CosineAnnealingLR(o, 7)).replays == 4


def test_the_kernels_of_the_guides_network_are_one_native_list():
    run = same()
    plan, = run.plans
    assert (plan.thunks, len(plan.steps)) == ([], 1)


def test_another_shape_has_a_recording_of_its_own():
    data = [batch for n in range(5) for batch in (batches(1, 6, n)[0], batches(1, 4, n)[0])]
    run = same(data=data)
    assert (run.replays, len(run._forms)) == (4, 2)


def test_arguments_with_other_strides_have_a_recording_of_their_own():
    data = batches(4)
    data += [(cnnkit.tensor(np.ascontiguousarray(x.numpy().transpose(0, 1, 3, 2)).transpose(0, 1, 3, 2)), y)
             for x, y in batches(4, seed=1)]
    assert same(data=data).replays == 2


def test_numbers_that_want_other_kernels_run_as_ever():
    data = batches(8)
    images = data[5][0].numpy().copy()
    images[0, 0, 0, 0] = np.nan
    data[5] = cnnkit.tensor(images), data[5][1]
    data[6] = data[6][0], cnnkit.tensor(np.array([1, -100, 3, 4, 5, 6]))
    for name in ("guide", "channels", "dropout"):
        run = same(data=data, make=NETS[name])
        assert run.replays >= 2
        assert not run.reasons


def test_a_wrong_label_raises_as_ever_and_changes_nothing():
    model = NETS["guide"]()
    optimizer = sgd(model)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss
    run = capture(step)
    data = batches(5)
    for x, y in data[:4]:
        run(x, y)
    before = {name: value.numpy().tobytes() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match="the label 10 at position 5"):
        run(data[4][0], cnnkit.tensor(np.array([1, 2, 3, 4, 5, 10])))
    assert {name: value.numpy().tobytes() for name, value in model.state_dict().items()} == before
    run(*data[4])
    assert run.replays == 2


def test_results_and_gradients_that_are_kept_keep_their_numbers():
    model = NETS["guide"]()

    @capture
    def step(x, y):
        model.zero_grad()
        output = model(x)
        loss = F.cross_entropy(output, y)
        loss.backward()
        return {"loss": loss, "outputs": (output, 3)}

    kept, copies = [], []
    for x, y in batches(7):
        result = step(x, y)
        kept += [result["loss"], result["outputs"][0], *(p.grad for p in model.parameters())]
        copies += [value.numpy().copy() for value in kept[len(copies):]]
        assert result["outputs"][1] == 3
    assert step.replays == 4
    assert all((value.numpy() == copy).all() for value, copy in zip(kept, copies))


def change_training(n, model, optimizer):
    if n == 5:
        model[2].eval()


def change_frozen(n, model, optimizer):
    if n == 5:
        model[0].requires_grad_(False)


def change_probability(n, model, optimizer):
    if n == 5:
        model[2].p = 0.9


def change_weights(n, model, optimizer):
    if n == 5:
        model.load_state_dict({name: value * 0.5 for name, value in model.state_dict().items()})


def change_in_place(n, model, optimizer):
    if n == 5:
        with cnnkit.no_grad():
            model[0].weight.mul_(0.5)
        model[0].bias.numpy()[...] = 0


def change_seed(n, model, optimizer):
    if n == 5:
        cnnkit.random.seed(77)


def change_momentum(n, model, optimizer):
    optimizer.param_groups[0]["momentum"] = 0.1 * n


def change_precision(n, model, optimizer):
    backends.set_num_threads(1 + n % 2)


def change_hook(n, model, optimizer):
    if n == 5:
        model[0].weight.register_hook(lambda grad: grad * 2)


def change_layer(n, model, optimizer):
    if n == 5:
        model[1] = nn.Tanh()


@pytest.mark.parametrize("between", [
    change_training, change_frozen, change_probability, change_weights, change_in_place, change_seed,
    change_momentum, change_hook, change_layer], ids=lambda f: f.__name__)
def test_what_changes_between_calls_counts(between):
    run = same(make=NETS["dropout"], between=between, count=10)
    assert run.replays >= 2


def test_the_number_of_threads_may_change():
    before = backends.get_num_threads()
    try:
        same(between=change_precision, count=8)
    finally:
        backends.set_num_threads(before)


def test_gradients_that_are_cleared_outside_of_the_step():
    def run(captured, clears):
        cnnkit.random.seed(0)
        model = NETS["guide"]()

        def step(x, y):
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss
        call = capture(step, warn=False) if captured else step
        seen = []
        for n, (x, y) in enumerate(batches(9)):
            if clears(n):
                model.zero_grad()
            seen += [call(x, y).numpy().tobytes(), *(p.grad.numpy().tobytes() for p in model.parameters())]
        return seen, call
    for clears, replays in ((lambda n: True, 6), (lambda n: n < 5, 2), (lambda n: False, 6)):
        seen, call = run(True, clears)
        assert seen == run(False, clears)[0]
        assert call.replays == replays


def test_accumulation_over_parts_of_a_batch_in_one_step():
    def run(captured):
        cnnkit.random.seed(0)
        model = NETS["guide"]()
        optimizer = sgd(model)

        def step(x, y):
            optimizer.zero_grad()
            for part in (slice(0, 3), slice(3, 6)):
                (F.cross_entropy(model(x[part]), y[part]) * 0.5).backward()
            optimizer.step()
        call = capture(step) if captured else step
        for x, y in batches(7):
            call(x, y)
        return [p.numpy().tobytes() for p in model.parameters()], call
    seen, call = run(True)
    assert seen == run(False)[0]
    assert call.replays == 4


# -- inference -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", NETS)
def test_a_model_in_evaluation(name):
    model = NETS[name]().eval()
    run = capture(model)
    with cnnkit.no_grad():
        for x, _ in batches(6):
            assert run(x).numpy().tobytes() == model(x).numpy().tobytes()
    assert run.replays == 3


def test_one_argument_in_two_places():
    layer = nn.Linear(4, 4)
    pairs = capture(lambda x, y: layer(x) * y)
    rng = np.random.default_rng(0)
    with cnnkit.no_grad():
        for n in range(12):
            x, y = (cnnkit.tensor(rng.standard_normal((2, 4), dtype=np.float32)) for _ in range(2))
            y = x if n % 2 else y
            assert pairs(x, y).numpy().tobytes() == (layer(x) * y).numpy().tobytes()
    assert pairs.replays == 6
