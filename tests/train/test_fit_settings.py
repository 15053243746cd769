"""`fit`'s settings: accumulation, clipping, averaging, class weights, schedules; each as computed by hand."""

import numpy as np
import pytest

import cnnkit
from cnnkit import functional as F
from cnnkit import models, nn, no_grad, optim, random, train
from cnnkit.data import DataLoader, Subset, datasets
from cnnkit.optim import lr_scheduler
from cnnkit.train.callbacks import Callback, LearningRateMonitor
from cnnkit.train.class_weight import WeightedCrossEntropy, balanced
from cnnkit.train.schedules import SCHEDULES

LEARN = Subset(datasets.digits(train=True), range(80))
HELD_OUT = Subset(datasets.digits(train=False), range(40))


def network():
    random.seed(2)
    return models.CNN((1, 8, 8), conv=[(4, 3)], hidden=[16]).double()


def weights(model):
    return np.concatenate([value.numpy().ravel() for value in model.parameters()])


def float64_pairs(data):
    """Pairs of a float64 image and its label."""
    images, labels = data.batch(range(len(data)))
    return list(zip(images.astype("float64"), labels))


def trained(model=None, data=LEARN, **settings):
    model = network() if model is None else model
    loader = DataLoader(float64_pairs(data), settings.pop("batch_size", 16))
    history = train.fit(model, loader, progress=False, **{"optimizer": "sgd", "lr": 0.1} | settings)
    return weights(model), history


@pytest.mark.parametrize("class_weight", [None, {0: 3.0, 4: 0.5}, "balanced", [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]])
def test_accumulated_gradients_are_those_of_the_batch_they_make(class_weight):
    if class_weight == "balanced":
        class_weight = balanced(LEARN.targets)
    # 80 = 35 + 35 + 10
    small, _ = trained(batch_size=5, accumulate_grad_batches=7, class_weight=class_weight)
    large, _ = trained(batch_size=35, class_weight=class_weight)
    np.testing.assert_allclose(small, large, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("clip", ["clip_norm", "clip_value"])
def test_gradients_are_clipped_before_the_update(clip):
    sizes = []

    class Measure(Callback):
        def on_before_optimizer_step(self, run):
            grads = np.concatenate([p.grad.numpy().ravel() for p in run.model.parameters()])
            sizes.append(np.linalg.norm(grads) if clip == "clip_norm" else abs(grads).max())

    trained(callbacks=[Measure()], **{clip: 1e-3})
    assert sizes == pytest.approx([1e-3] * 5, rel=1e-2)


def test_the_average_is_measured_and_given_to_the_model():
    steps = []

    class Collect(Callback):
        def on_train_batch_end(self, run):
            steps.append(weights(run.model))

    model = network()
    final, history = trained(model, ema=0.8, validation=float64_pairs(HELD_OUT), callbacks=[Collect()])
    average = steps[0]
    for step in steps[1:]:
        average = 0.8 * average + 0.2 * step
    np.testing.assert_allclose(final, average, rtol=1e-12)
    assert train.evaluate(model, float64_pairs(HELD_OUT)).loss == history[-1].val_loss


def test_the_average_equals_pytorchs():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Linear(3, 2).double()
    averaged = torch.optim.swa_utils.AveragedModel(
        theirs, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    ours = nn.Linear(3, 2).double()
    ema, rng = train.ema.EMA(ours, 0.9), np.random.default_rng(0)
    for _ in range(5):
        values = rng.normal(size=(2, 3))
        with torch.no_grad(), no_grad():
            theirs.weight.copy_(torch.tensor(values))
            ours.weight.copy_(values)
        averaged.update_parameters(theirs)
        ema.update()
    np.testing.assert_allclose(ema.state_dict()["weight"].numpy(),
                               averaged.module.weight.detach().numpy(), rtol=1e-12)


def test_the_average_of_sixteen_bit_weights_is_float32_and_keeps_moving():
    model = nn.Linear(1, 1, bias=False).to(dtype="float16")
    ema = train.ema.EMA(model, 0.999)
    for value in (0.0, *[1.0] * 500):
        with no_grad():
            model.weight.fill_(value)
        ema.update()
    resumed = train.ema.EMA(model, 0.999)
    resumed.load_state_dict(ema.state_dict())
    assert resumed.state_dict()["weight"].item() == pytest.approx(1 - 0.999 ** 500, rel=1e-5)
    resumed.write()
    assert model.weight.dtype == np.float16
    assert model.weight.item() == pytest.approx(1 - 0.999 ** 500, rel=1e-3)


def test_class_weights_are_scikit_learns_and_the_loss_is_pytorchs():
    labels = np.array([0, 0, 0, 2, 2, 5])
    if sk := pytest.importorskip("sklearn.utils.class_weight"):
        expected = sk.compute_class_weight("balanced", classes=np.array([0, 2, 5]), y=labels)
        assert list(balanced(labels).values()) == pytest.approx(expected)
    torch = pytest.importorskip("torch")
    scores, class_weights = np.random.default_rng(0).normal(size=(6, 6)), [1.0, 0.0, 3.0, 1.0, 1.0, 0.5]
    loss = WeightedCrossEntropy({0: 1.0, 1: 0.0, 2: 3.0, 5: 0.5})
    reference = torch.nn.functional.cross_entropy(torch.tensor(scores), torch.tensor(labels),
                                                  torch.tensor(class_weights).double())
    computed = loss(cnnkit.tensor(scores), cnnkit.tensor(labels)).item()
    assert computed == pytest.approx(reference.item(), rel=1e-12)
    assert loss.batch_weight(cnnkit.tensor(labels)) == 9.5


def test_held_out_figures_have_no_class_weights():
    model = network()
    _, history = trained(model, class_weight={0: 50.0}, validation=float64_pairs(HELD_OUT))
    expected = train.evaluate(model, float64_pairs(HELD_OUT)).loss
    assert history[-1].val_loss == pytest.approx(expected, rel=1e-12)


def rates(**settings):
    monitor = LearningRateMonitor()
    trained(epochs=6, callbacks=[monitor], **settings)
    return [lr for _, (lr,) in monitor.rates]


def test_named_schedules_fit_the_length_of_the_run():
    for name in SCHEDULES:
        steps = rates(scheduler=name)
        assert len(steps) == 30
        assert max(steps) == pytest.approx(0.1, rel=0.02)
        if name != "plateau":
            assert steps[-1] < 0.1 * max(steps)
        assert (len(set(steps)) > 6) == SCHEDULES[name][1]


def test_a_schedule_goes_on_after_each_epoch_or_each_update():
    def halving(optimizer):
        return lr_scheduler.ExponentialLR(optimizer, 0.5)

    assert rates(scheduler=halving) == [0.1 * 0.5 ** (step // 5) for step in range(30)]
    by_step = rates(scheduler=halving, scheduler_interval="step")
    assert by_step == pytest.approx([0.1 * 0.5 ** step for step in range(30)])


def test_a_schedule_of_ones_own_optimizer():
    model = network()
    optimizer = optim.SGD(model.parameters(), 0.1)
    _, history = trained(model, optimizer=optimizer, scheduler=lr_scheduler.StepLR(optimizer, 1), epochs=2)
    assert history["lr"] == [0.1, 0.1 * 0.1]


def test_plateau_watches_the_held_out_loss_or_the_loss():
    for validation, figure in ((float64_pairs(HELD_OUT), "val_loss"), (None, "loss")):
        model = network()
        optimizer = optim.SGD(model.parameters(), 0.1)
        plateau = lr_scheduler.ReduceLROnPlateau(optimizer)
        _, history = trained(model, optimizer=optimizer, scheduler=plateau, validation=validation)
        assert plateau.best == history[-1].as_dict()[figure]


def test_regression_is_trained_with_all_settings_together():
    random.seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
    x, y = (np.random.default_rng(0).random(s, np.float32) for s in ((12, 1, 2, 2), (12, 1)))
    history = train.fit(model, DataLoader(list(zip(x, y)), 5), loss=F.mse_loss, epochs=20, lr=0.05, ema=0.5,
                        clip_norm=1.0, accumulate_grad_batches=2, scheduler="cosine", progress=False)
    assert history[-1].accuracy is None
    assert history[-1].loss < history[0].loss


@pytest.mark.parametrize(("settings", "error", "message"), [
    ({"ema": 1.0}, ValueError, "ema, .* must be at least 0 and below 1; got 1.0"),
    ({"clip_norm": 0}, ValueError, "clip_norm must be a finite number above 0"),
    ({"clip_value": float("nan")}, ValueError, "clip_value must be"),
    ({"accumulate_grad_batches": 0}, ValueError, "accumulate_grad_batches must be a whole number, 1 or more"),
    ({"class_weight": "even"}, ValueError, "'balanced', or a weight for each class; got 'even'"),
    ({"class_weight": "balanced"}, ValueError, "these data have none"),
    ({"class_weight": {0: -1.0}}, ValueError, "weight of class 0 must be a finite number"),
    ({"class_weight": [1.0, 2.0]}, ValueError,
     "2 weights, up to class 1, but the model has scores for 10 classes"),
    ({"class_weight": {11: 2.0}}, ValueError, "up to class 11, but the model has scores for 10"),
    ({"class_weight": {0: 1.0}, "loss": F.cross_entropy}, ValueError,
     "give a loss of your own the weights yourself"),
    ({"scheduler": "cyclic"}, ValueError, "no schedule 'cyclic'; there are cosine, "),
    ({"scheduler": "cosine", "scheduler_interval": "batch"}, ValueError,
     "scheduler_interval must be 'epoch' or 'step'"),
    ({"scheduler": lambda o: 3}, TypeError, "it gave a int"),
    ({"scheduler": lr_scheduler.StepLR(optim.SGD([cnnkit.tensor([1.0], requires_grad=True)]), 3)},
     ValueError, "another optimizer"),
    ({"scheduler": lr_scheduler.ReduceLROnPlateau, "scheduler_interval": "step"},
     ValueError, "must be 'epoch'"),
])
def test_what_cannot_work_is_refused(settings, error, message):
    with pytest.raises(error, match=message):
        trained(**settings)


def test_a_schedule_by_batches_needs_to_know_how_many_there_are():
    with pytest.raises(ValueError, match="'cosine' needs to know how many batches there are"):
        train.fit(network(), iter([]), scheduler="cosine")


@pytest.mark.parametrize(("name", "usual"), [("adamw", 0.01), ("sgd", 0.0)])
def test_weight_decay_is_that_of_an_optimizer_by_name(name, usual):
    seen = []

    class Look(Callback):
        def on_train_start(self, run):
            seen.append(run.optimizer.param_groups[0]["weight_decay"])

    for decay in (None, 0.25):
        trained(optimizer=name, weight_decay=decay, callbacks=[Look()])
    assert seen == [usual, 0.25]
    model = network()
    with pytest.raises(ValueError, match=r"weight_decay=0\.1 is for an optimizer by name; .* the SGD"):
        trained(model, optimizer=optim.SGD(model.parameters(), lr=0.1), weight_decay=0.1)


def test_balanced_weights_leave_out_what_counts_for_nothing_and_refuse_what_is_no_label():
    assert balanced(np.array([0, 0, 0, 1, -100, -100])) == balanced([0, 0, 0, 1])
    for targets in (np.arange(3.0), np.zeros((3, 2, 2), int)):
        with pytest.raises(TypeError, match="'balanced' counts class labels"):
            balanced(targets)
