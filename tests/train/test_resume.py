"""A run that is stopped anywhere goes on to the same bits; the errors name what keeps it from that."""

import os
import signal

import numpy as np
import pytest
from resumed_runs import LEARN, AtStep, assert_same, network, run

import cnnkit
from cnnkit import nn, no_grad, optim, random, train
from cnnkit.data import DataLoader
from cnnkit.optim import lr_scheduler
from cnnkit.train import checkpoints
from cnnkit.train.callbacks import Callback, Checkpoint, EarlyStopping, LearningRateMonitor

SETTINGS = {
    "plain": {}, "sgd": {"optimizer": "sgd", "ema": 0.5},
    "warm-up": {"scheduler": "warmup-cosine", "class_weight": "balanced"},
    "plateau": {"scheduler": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=10),
                "metrics": ["f1"]},
    "groups": {"accumulate_grad_batches": 3, "clip_norm": 0.5, "scheduler": "one-cycle"},
    "augmented": {"augment": "flip,crop=1,rotate,erase,mixup",
                  "class_weight": "balanced", "accumulate_grad_batches": 2},
    "mixed": {"precision": "16-mixed", "clip_norm": 1.0, "ema": 0.9},
    "amsgrad": {"optimizer": lambda m: optim.AdamW(m.parameters(), 0.01, amsgrad=True)},
}


# 10 updates an epoch; 4 where they are made of 3 batches
@pytest.mark.parametrize("step", [pytest.param(4, marks=pytest.mark.heavy), 10,
                                  pytest.param(23, marks=pytest.mark.heavy)])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_that_was_paused_anywhere_goes_on_to_the_same_bits(name, step, tmp_path):
    def go(callbacks, resume=False):
        random.seed(1)
        settings, model = dict(SETTINGS[name]), network()
        if callable(settings.get("optimizer")):
            settings["optimizer"] = settings["optimizer"](model)
        return run(callbacks, resume, model=model, **settings)

    whole = go([EarlyStopping(patience=9)])
    go([EarlyStopping(patience=9), Checkpoint(tmp_path), AtStep(step)])
    assert_same(go([EarlyStopping(patience=9), Checkpoint(tmp_path)], resume=True), whole)


def test_on_every_backend(backend, tmp_path):
    whole = run(epochs=1)
    run([Checkpoint(tmp_path), AtStep(3)], epochs=1)
    assert_same(run(resume=tmp_path, epochs=1), whole)


def test_sixteen_bit_runs_go_on_to_the_same_bits(backend, tmp_path):
    class Batches:
        def __init__(self, dtype):
            self.dtype = dtype

        def __len__(self):
            return 8

        def __iter__(self):
            for x in np.random.default_rng(0).random((8, 16, 3), np.float32):
                yield cnnkit.tensor(x).to(dtype=self.dtype), cnnkit.tensor(np.arange(16) % 2)

    def go(dtype, callbacks=(), resume=False):
        random.seed(1)
        model = nn.Linear(3, 2).to(dtype=dtype)
        train.fit(model, Batches(dtype), epochs=1, optimizer=optim.Adam(model.parameters(), 0.01), ema=0.9,
                  callbacks=callbacks, resume=resume, progress=False)
        assert str(model.weight.dtype).endswith(dtype)
        return backend.to_numpy(model.weight.array).astype(np.float32)

    for dtype in backend.narrow:
        folder = tmp_path / dtype
        whole = go(dtype)
        go(dtype, [Checkpoint(folder), AtStep(3)])
        np.testing.assert_array_equal(go(dtype, resume=folder), whole)


def test_a_scale_that_has_changed_goes_on(tmp_path):
    """The first batch overflows: the run that goes on has half the scale."""
    class Large(nn.Linear):
        def forward(self, x):
            return super().forward(x.flatten(1)) * 4e4

    def go(callbacks=(), resume=False):
        random.seed(1)
        scales = []
        notes = AtStep(6, lambda run: scales.append(run.mixed.scaler.state_dict()))
        result = run([notes, *callbacks], resume, epochs=1, model=Large(64, 10), precision="16-mixed",
                     validation=None, lr=1e-5)
        return result, scales

    whole, scales = go()
    go([Checkpoint(tmp_path), AtStep(4)])
    again, their_scales = go(resume=tmp_path)
    assert scales == their_scales
    assert scales[0]["scale"] < 2.0**16
    assert_same(again, whole)


def test_another_precision_is_refused_unless_it_is_accepted(tmp_path):
    run([Checkpoint(tmp_path), AtStep(4)], precision="16-mixed")
    with pytest.raises(ValueError, match="its precision was 16-mixed, and now it is 32-true"):
        run(resume=tmp_path)
    with pytest.warns(checkpoints.CheckpointWarning, match="precision"):
        run(resume=tmp_path, resume_changes=["precision"])


def test_weights_in_another_memory_layout_keep_it(tmp_path):
    def go(callbacks=(), resume=False):
        random.seed(0)
        model = network()
        with no_grad():
            model[0].weight.copy_(np.asfortranarray(model[0].weight.numpy()))
        result = run(callbacks, resume, model=model, optimizer="sgd")
        return model[0].weight.numpy().strides, result

    with cnnkit.use("numpy"):  # other tables may have updates that write in C order
        strides, whole = go()
        assert strides == (4, 16, 16, 48)
        go([Checkpoint(tmp_path), AtStep(13)])
        again, resumed = go(resume=tmp_path)
    assert again == strides
    assert_same(resumed, whole)


def test_a_loader_of_ones_own_and_an_iterable_that_draws_go_on(tmp_path):
    def go(callbacks=(), resume=False):
        random.seed(1)
        # its order is drawn from the generator
        model, loader = network(), DataLoader(LEARN, 16, shuffle=True)
        history = train.fit(model, loader, epochs=2, callbacks=callbacks, resume=resume, progress=False)
        return {n: v.numpy() for n, v in model.state_dict().items()}, history["loss"], random.get_state()

    whole = go()
    go([Checkpoint(tmp_path), AtStep(13)])
    assert_same(go(resume=tmp_path), whole)

    def listed(callbacks=(), resume=False):
        random.seed(1)
        model, batches = network(), list(DataLoader(LEARN, 16))
        history = train.fit(model, Unskippable(batches), epochs=2, callbacks=callbacks,
                            resume=resume, progress=False)
        return {n: v.numpy() for n, v in model.state_dict().items()}, history["loss"], random.get_state()

    class Unskippable:
        def __init__(self, batches):
            self.batches = batches

        def __iter__(self):
            for batch in self.batches:
                random.next_key()  # as an augmentation draws, also for skipped batches
                yield batch

    whole = listed()
    listed([Checkpoint(tmp_path / "list"), AtStep(13)])
    assert_same(listed(resume=tmp_path / "list"), whole)


@pytest.mark.parametrize("augment", [None, "flip,crop=1"])
def test_a_run_that_goes_on_behind_an_epochs_last_batch_says_what_it_has_learnt_from(tmp_path, augment):
    class Keep(Callback):
        def on_train_end(self, run):
            self.learnt = run.model.input_format

    whole, resumed, folder = Keep(), Keep(), tmp_path / "cut"
    want = run([whole], epochs=1, augment=augment)
    run([Keep(), Checkpoint(folder), AtStep(10)], epochs=1, augment=augment)
    assert_same(run([resumed, Checkpoint(folder)], True, epochs=1, augment=augment), want)
    assert resumed.learnt == whole.learnt
    assert resumed.learnt is not None


def test_epochs_can_be_added(tmp_path):
    whole = run(epochs=3)
    run([Checkpoint(tmp_path)], epochs=2)
    assert_same(run(resume=tmp_path, epochs=3), whole)


@pytest.mark.parametrize("name", ["cosine", "one-cycle", "step"])
def test_epochs_cannot_be_added_to_a_schedule_that_spans_them(tmp_path, name):
    run([Checkpoint(tmp_path)], epochs=2, scheduler=name)
    with pytest.raises(ValueError, match="schedule's number of epochs was 2, and now it is 3"):
        run(resume=tmp_path, epochs=3, scheduler=name)


@pytest.mark.parametrize("scheduler", ["plateau", lambda o: lr_scheduler.StepLR(o, 1)])
def test_epochs_can_be_added_to_other_schedules(tmp_path, scheduler):
    whole = run(epochs=3, scheduler=scheduler)
    run([Checkpoint(tmp_path)], epochs=2, scheduler=scheduler)
    assert_same(run(resume=tmp_path, epochs=3, scheduler=scheduler), whole)


def test_early_stopping_stays_stopped_and_restores_its_best_weights_again(tmp_path):
    def callbacks():
        return [EarlyStopping("loss", patience=1, min_delta=9), Checkpoint(tmp_path)]

    first = run(callbacks(), epochs=9)
    assert [row["epoch"] for row in first[1]] == [1, 2]
    assert_same(run(callbacks(), resume=True, epochs=9), first)


def test_ctrl_c_in_the_validation_keeps_the_epochs_training(tmp_path):
    class Press(Callback):
        def on_train_batch_end(self, run):
            if run.batch == 10:
                os.kill(os.getpid(), signal.SIGINT)

    whole = run(epochs=2)
    cut = run([Checkpoint(tmp_path), Press()], epochs=2)
    assert [row["val_loss"] for row in cut[1]] == [None]
    assert_same(run([Checkpoint(tmp_path)], resume=True, epochs=2), whole)


def test_a_run_that_goes_on_says_where(tmp_path, capsys):
    run([Checkpoint(tmp_path), AtStep(13)])
    run([Checkpoint(tmp_path)], resume=True, progress=True)
    first, *rows = capsys.readouterr().out.splitlines()
    assert first == "Going on in epoch 2 of 3, after 13 updates"
    assert [row.split(",")[0] for row in rows] == ["Epoch 2", "Epoch 3"]
    run([Checkpoint(tmp_path)], resume=True, progress=True)
    assert capsys.readouterr().out == "All 3 epochs were done before\n"


@pytest.mark.parametrize(("stop_at", "done"),
                         [(13, "1 epoch and 3 batches of the next one"), (99, "3 epochs")])
def test_fewer_epochs_than_are_done_are_refused_and_nothing_is_lost(tmp_path, stop_at, done):
    run([Checkpoint(tmp_path), AtStep(stop_at)])
    before = sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir())
    with pytest.raises(ValueError, match=f"epochs=1 is less than the checkpoint has done, {done}"):
        run([Checkpoint(tmp_path)], resume=True, epochs=1)
    assert sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir()) == before


def test_a_pause_says_how_to_go_on(tmp_path, capsys):
    history = train.fit(network(), LEARN, epochs=2, callbacks=[Checkpoint(tmp_path), AtStep(4)])
    printed = capsys.readouterr().out
    assert (f"Stopped for the test in epoch 1 of 2; fit(..., resume={str(tmp_path)!r}) "
            "goes on from there." in printed)
    assert history.interrupted
    assert history.checkpoint == str(tmp_path / "checkpoint-000001.json")


@pytest.mark.parametrize(("settings", "message"), [
    ({"batch_size": 8}, "batch size was 16, and now it is 8"),
    ({"optimizer": "sgd"}, "optimizer was Adam, and now it is SGD"),
    ({"scheduler": "cosine"}, "scheduler was None, and now it is CosineAnnealingLR"),
    ({"ema": 0.9}, "ema.* was False"),
    ({"model": nn.Sequential(nn.Flatten(), nn.Linear(64, 10))},
     r"another model: .*0\.bias \(4,\) is missing now"),
])
def test_a_run_with_other_settings_is_refused(tmp_path, settings, message):
    run([Checkpoint(tmp_path)], epochs=1)
    with pytest.raises(ValueError, match=message):
        run(resume=tmp_path, **settings)


def test_resuming_without_a_checkpoint_is_an_error_or_a_new_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint in .*nowhere"):
        run(resume=tmp_path / "nowhere")
    with pytest.raises(ValueError, match="resume=True goes on from the folder of a Checkpoint callback"):
        run(resume=True)
    assert_same(run([Checkpoint(tmp_path / "new")], resume=True), run())


def test_the_rates_of_a_resumed_run_are_those_of_a_whole_one(tmp_path):
    def rates(callbacks, resume=False):
        monitor = LearningRateMonitor()
        run([monitor, *callbacks], resume, scheduler="linear")
        return monitor.rates

    whole = rates([])
    assert len(whole) == 30
    rates([Checkpoint(tmp_path), AtStep(17)])
    assert rates([Checkpoint(tmp_path)], resume=True) == whole


def test_a_state_with_something_else_in_it_is_refused(tmp_path):
    class Odd(Callback):
        def state_dict(self):
            return {"model": object()}

    with pytest.raises(TypeError,
                       match=r"callbacks.Odd.model of a run's state is a object; a checkpoint holds"):
        run([Checkpoint(tmp_path), Odd()], epochs=1)
