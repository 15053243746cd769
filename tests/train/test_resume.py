"""A run that is stopped anywhere goes on to the same bits; the errors name what keeps it from that."""

import errno
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import cnnkit
from cnnkit import nn, no_grad, optim, random, train
from cnnkit.data import DataLoader, Subset, datasets
from cnnkit.optim import lr_scheduler
from cnnkit.train import CheckpointError, checkpoints
from cnnkit.train.callbacks import Callback, Checkpoint, EarlyStopping, LearningRateMonitor

LEARN = Subset(datasets.digits(train=True), range(160))
HELD_OUT = Subset(datasets.digits(train=False), range(40))


class AtStep(Callback):
    """Pause the run, or do something else, after update `step`."""

    def __init__(self, step, action=lambda run: run.pause("for the test")):
        self.step, self.action = step, action

    def on_train_batch_end(self, run):
        if run.step == self.step:
            self.action(run)


def network():
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 10))


def run(callbacks=(), resume=False, epochs=3, seed=5, model=None, **settings):
    """Train from a fixed beginning; the weights and the figures that do not depend on the clock."""
    random.seed(seed)
    model = network() if model is None else model
    settings = {"batch_size": 16, "lr": 0.01, "validation": HELD_OUT, "progress": False} | settings
    history = train.fit(model, LEARN, epochs=epochs, callbacks=callbacks, resume=resume, **settings)
    rows = [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")}
            for row in history.as_dicts()]
    return {n: v.numpy() for n, v in model.state_dict().items()}, rows, random.get_state()


def assert_same(a, b):
    for name, value in a[0].items():
        np.testing.assert_array_equal(value, b[0][name], err_msg=name)
    assert a[1:] == b[1:]


SETTINGS = {
    "plain": {}, "sgd": {"optimizer": "sgd", "ema": 0.5},
    "warm-up": {"scheduler": "warmup-cosine", "class_weight": "balanced"},
    "plateau": {"scheduler": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=10),
                "metrics": ["f1"]},
    "groups": {"accumulate_grad_batches": 3, "clip_norm": 0.5, "scheduler": "one-cycle"},
    "augmented": {"augment": "flip,crop=1,rotate,erase,mixup",
                  "class_weight": "balanced", "accumulate_grad_batches": 2},
    "amsgrad": {"optimizer": lambda m: optim.AdamW(m.parameters(), 0.01, amsgrad=True)},
}


@pytest.mark.parametrize("step", [4, 10, 23])  # 10 updates an epoch; 4 where they are made of 3 batches
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


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-7])


def altered(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("ending", [".json", ".safetensors"])
@pytest.mark.parametrize("damage", [cut_off, altered, os.remove, lambda path: path.write_bytes(b"")])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_used(tmp_path, ending, damage):
    whole = run()
    run([Checkpoint(tmp_path), AtStep(23)])
    files = checkpoints.numbered(tmp_path)
    assert len(files) == 2
    damage(files[1].with_suffix(ending))
    if ending == ".json" and damage is os.remove:  # as if it had never been finished
        assert_same(run([Checkpoint(tmp_path)], resume=True), whole)
    else:
        message = f"{files[1].stem}.*Going on from the one before it, .*{files[0].name}"
        with pytest.warns(checkpoints.CheckpointWarning, match=message):
            resumed = run([Checkpoint(tmp_path)], resume=True)
        assert_same(resumed, whole)


def test_where_all_are_damaged_each_is_named_and_none_is_used(tmp_path):
    run([Checkpoint(tmp_path)])
    for path in checkpoints.numbered(tmp_path):
        cut_off(path)
    with pytest.raises(ValueError, match=r"no checkpoint in .* can be used: "
                       r".*checkpoint-000003.*checkpoint-000002.*Remove them"):
        run(resume=tmp_path)


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    run([Checkpoint(tmp_path)], epochs=1)
    path = checkpoints.numbered(tmp_path)[0]
    content = json.loads(path.read_text()) | {"format": 2}
    content.pop("sha256")
    path.write_text(json.dumps({"sha256": checkpoints._digest(content), **content}))
    with pytest.raises(ValueError, match="has format 2; this version of cnnkit reads format 1"):
        run(resume=tmp_path)


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


def test_a_full_disk_is_one_clear_error_and_the_state_survives(tmp_path, monkeypatch):
    whole = run()
    real, calls = os.fsync, []

    def full(file):
        calls.append(file)
        if len(calls) > 6:  # four for the first checkpoint: two files, and the folder after each
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"checkpoint-000002.json could not be written \(No space "
                       r"left on device\)") as caught:
        run([Checkpoint(tmp_path / "a")])
    monkeypatch.undo()
    names = [path.name for path in sorted((tmp_path / "a").iterdir())]
    assert names == ["checkpoint-000001.json", "checkpoint-000001.safetensors"]
    assert_same(run(resume=caught.value.state), whole)
    caught.value.save(tmp_path / "b")
    assert_same(run(resume=tmp_path / "b"), whole)


def test_with_on_error_training_goes_on_without_the_checkpoint(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    errors, whole = [], run()
    monkeypatch.setattr(os, "fsync", refuse)
    assert_same(run([Checkpoint(tmp_path, on_error=errors.append)]), whole)
    assert len(errors) == 4  # after each epoch, and at the end once more
    assert "Read-only file system" in str(errors[0])


def test_a_folder_that_cannot_be_written_to_is_named_before_the_training(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError,
                       match=r"no checkpoint can be written to the folder .*file/x \(Not a directory\)"):
        run([Checkpoint(tmp_path / "file" / "x"), AtStep(1, lambda run: pytest.fail("it trained"))])


def test_a_real_limit_on_the_size_of_files(tmp_path):
    # python -B: the limit would cut the .pyc files that it writes
    code = ("import resource, signal, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192));"
            f" sys.path.insert(0, {os.path.dirname(__file__)!r}); signal.signal(signal.SIGXFSZ, "
            f"signal.SIG_IGN)\nimport test_resume as t\nt.run([t.Checkpoint({str(tmp_path)!r})])")
    process = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False)
    assert "CheckpointError: the checkpoint" in process.stderr
    assert "(File too large)" in process.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_no_number_replaces_no_good_checkpoint(tmp_path):
    def spoil(run):
        with no_grad():
            run.model[0].weight.fill_(float("nan"))

    with pytest.raises(FloatingPointError):
        run([AtStep(15, spoil), Checkpoint(tmp_path, every_n_batches=1)], validation=None)
    state = checkpoints.newest(tmp_path).state
    assert (state["epoch"], state["batch"]) == (1, 5)


def test_checkpoints_of_another_run_are_replaced_with_overwrite_only(tmp_path):
    run([Checkpoint(tmp_path)], epochs=2)
    with pytest.raises(FileExistsError, match="holds checkpoints of another run: go on with it"):
        run([Checkpoint(tmp_path)], epochs=1)
    run([Checkpoint(tmp_path, overwrite=True)], epochs=1, seed=9)
    assert checkpoints.newest(tmp_path).state["epoch"] == 1


def test_the_settings_decide_which_checkpoints_are_kept(tmp_path):
    def names(folder):
        return [path.stem[-2:] for path in checkpoints.numbered(tmp_path / folder)]

    run([Checkpoint(tmp_path / "two")])
    run([Checkpoint(tmp_path / "all", keep=None, every_n_batches=4)])
    run([Checkpoint(tmp_path / "last", every_n_epochs=None)])
    assert names("two") == ["02", "03"]
    assert names("all") == [f"{n:02}" for n in range(1, 10)]  # after batches 4, 8, 10 of each epoch
    assert names("last") == ["01"]


def test_the_best_weights_are_kept(tmp_path):
    best = Checkpoint(tmp_path, monitor="val_accuracy")
    _, rows, _ = run([best], epochs=5)
    kept = cnnkit.safetensors.read_metadata(best.best_path)
    assert kept["epoch"] == str(1 + [row["val_accuracy"] for row in rows].index(best.best))
    assert float(kept["val_accuracy"]) == max(row["val_accuracy"] for row in rows) == best.best
    model = network()
    model.load_state_dict(cnnkit.safetensors.load_file(best.best_path))
    assert train.evaluate(model, HELD_OUT).accuracy == best.best


def test_half_written_files_of_a_killed_process_are_swept_away(tmp_path):
    for name in (".checkpoint-000003.json", "checkpoint-000004.safetensors"):
        (tmp_path / name).write_bytes(b"half")
    run([Checkpoint(tmp_path)], epochs=1)
    names = [path.name for path in sorted(tmp_path.iterdir())]
    assert names == ["checkpoint-000001.json", "checkpoint-000001.safetensors"]


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
