"""A run whose power is cut after any system call: its checkpoints, best weights and logs are whole."""

import hashlib
import warnings

import pytest
from power_cut import Disk, latest, lay_out

from cnnkit import models, random, safetensors, train
from cnnkit.data import Subset, datasets
from cnnkit.train import checkpoints
from cnnkit.train.callbacks import Checkpoint, CSVLogger, JSONLinesLogger, row_logger

DATA = Subset(datasets.digits(train=True), range(60))
EPOCHS = 2
OLD_LOG = "epoch,loss\n1,an earlier run\n"


def fit(folder):
    """Train, and give the checksum of the weights."""
    random.seed(0)
    model = models.CNN((1, 8, 8), conv=[(2, 3)], hidden=[])
    train.fit(model, DATA, epochs=EPOCHS, batch_size=30, seed=0, validation=DATA, progress=False, resume=True,
              callbacks=[Checkpoint(folder / "runs" / "kept", every_n_batches=1, every_n_epochs=None,
                                   monitor="val_loss"),
                         CSVLogger(folder / "log.csv"), JSONLinesLogger(folder / "log.jsonl")])
    return hashlib.sha256(b"".join(v.numpy().tobytes() for v in model.state_dict().values())).hexdigest()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What a run did to the disk; after how many calls which checkpoint was there; weights; and states."""
    root, before, done = tmp_path_factory.mktemp("run"), {"log.csv": OLD_LOG.encode()}, []
    lay_out(before, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_logger, "FLUSH_EVERY", 0.0)
        disk, write = Disk(root), checkpoints.write
        patch.setattr(checkpoints, "write", lambda folder, number, state: (
            write(folder, number, state), done.append((len(disk.calls), number))))
        disk.everywhere(patch)
        digest = fit(root)
    disk.check(before)
    return disk, before, done, digest, latest(disk.calls, before, root)


def test_the_newest_checkpoint_or_the_one_before_is_whole_after_every_call(run, tmp_path):
    _, _, done, _, found_states = run
    last = done[-1][1]
    assert [number for _, number in done] == list(range(1, last + 1))
    assert last > 2 * EPOCHS
    seen = {}
    for count, (cut, state) in enumerate(found_states):
        key = tuple((name, content) for name, content in sorted(state.items())
                    if name.startswith("runs") and not name.endswith(".tmp"))
        if key not in seen:
            folder = lay_out(dict(key), tmp_path / str(count)) / "runs" / "kept"
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # also the one that names a damaged checkpoint
                newest = checkpoints.newest(folder)
            best = folder / "best.safetensors"
            seen[key] = (0 if newest is None else int(newest.path.stem.rsplit("-", 1)[1]),
                         best.exists() and len(safetensors.load_file(best)) > 0)
        number, has_best = seen[key]
        promised = max((number for calls, number in done if calls <= cut), default=0)
        assert number in (promised, promised + 1)
        assert has_best or promised <= 2
    assert sorted({number for number, _ in seen.values()}) == list(range(last + 1))


@pytest.mark.parametrize(("name", "header"), [("log.csv", 1), ("log.jsonl", 0)])
def test_lines_of_logs_that_were_flushed_are_never_lost(run, name, header):
    disk, before, _, _, found_states = run
    whole, old = (disk.root / name).read_text(), before.get(name, b"").decode()
    flushed = [n for n, (what, path, _) in enumerate(disk.calls) if (what, path.name) == ("flush", name)]
    torn = 0
    for cut, state in found_states:
        text, lines = state.get(name, b"").decode(), sum(n < cut for n in flushed)
        if text == old and not lines:
            continue
        complete, _, part = text.rpartition("\n")
        assert not complete or whole.startswith(f"{complete}\n")
        assert len(complete.splitlines()) >= (lines and lines + header)
        torn += bool(part)
    assert len(flushed) >= EPOCHS
    assert torn


def test_a_run_goes_on_to_the_same_bits_and_logs_after_any_cut(run, tmp_path):
    disk, _, _, digest, found_states = run
    lines = (disk.root / "log.csv").read_text().count("\n")
    for number, (_, state) in enumerate(found_states[::len(found_states) // 8]):
        folder = lay_out(state, tmp_path / str(number))
        assert fit(folder) == digest
        for name in ("log.csv", "log.jsonl"):
            text = (folder / name).read_text()
            assert text.count("\n") == lines - (name == "log.jsonl")
            assert text.endswith("\n")


@pytest.mark.parametrize("forgotten", ["flush", "flush folder"])
def test_without_flushing_a_checkpoint_would_be_lost(run, tmp_path, forgotten):
    disk, before, done, *_ = run
    calls = [call for call in disk.calls[:done[0][0]] if call[0] != forgotten]
    states = [state for cut, state in latest(calls, before, disk.root) if cut == len(calls)]
    assert any(is_lost(lay_out(state, tmp_path / str(n)) / "runs" / "kept") for n, state in enumerate(states))


def is_lost(folder):
    try:
        return checkpoints.newest(folder) is None
    except ValueError:
        return True
