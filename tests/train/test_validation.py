"""Held-out batches that ranks share: the figures of one process, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from rank_threads import Ranks

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, random, train
from cnnkit.data import DataLoader, Dataset, IterableDataset
from cnnkit.distributed import meeting
from cnnkit.distributed.communicator import Alone
from cnnkit.distributed.messages import tell
from cnnkit.evaluation import metrics
from cnnkit.evaluation.evaluate import measure
from cnnkit.train.validation import FIGURES, measure_shared

SAMPLES, CLASSES = 43, 4  # of batches of 8 the last one has 3


class Samples(Dataset):
    def __init__(self):
        draws = np.random.default_rng(0)
        scale = np.array([1, 1e9, 1e10, 3, 1e9, 7])[np.arange(SAMPLES) // 8]  # so the order of sums matters
        self.images = (draws.normal(size=(SAMPLES, 3)) * scale[:, None]).astype(np.float32)
        self.targets = draws.integers(0, CLASSES, SAMPLES)
        self.targets[::5] = -100
        self.read = []

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        self.read.append(index)
        return self.images[index], self.targets[index]


class Stream(IterableDataset):
    def __iter__(self):
        yield from ((image, label) for image, label in zip(Samples().images, Samples().targets))


class Noisy(nn.Module):
    """Draws in evaluation too."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, CLASSES)

    def forward(self, x):
        return self.linear(x) + cnnkit.rand(CLASSES)


class OutputDigest(metrics.Metric):
    """Depends on the order and the bits of all outputs."""

    def reset(self):
        self.seen = []

    def update(self, output, target):
        self.seen.append(output.numpy().tobytes() + target.numpy().tobytes())

    def compute(self):
        return b"".join(self.seen)


def net(kind=nn.Linear):
    random.seed(0)
    return nn.Linear(3, CLASSES) if kind is nn.Linear else kind()


def shared(ranks, model, make, make_metrics, stop=lambda done: False):
    """Scores, metrics and loader of each rank."""
    def work(communicator):
        loader, measured = make(), make_metrics()
        with random.stream(random.key(7)):  # of this thread
            before = random.get_state()
            scores = measure_shared(model, loader, F.cross_entropy, stop, measured, communicator,
                                    lambda message: tell(communicator, message))
            assert random.get_state() == before
        return scores, [metric.compute() for metric in measured], loader
    return Ranks(ranks).run(work)


def loader():
    return DataLoader(Samples(), batch_size=8)


def figures():
    return [OutputDigest(), metrics.F1(), metrics.TopKAccuracy(2)]


@pytest.mark.parametrize("make", [loader, lambda: list(loader()), lambda: DataLoader(Stream(), batch_size=8)],
                         ids=["index", "list", "stream"])
@pytest.mark.parametrize("ranks", [1, 2, 3, 8])  # there are 6 batches
def test_the_figures_are_those_of_one_process_to_the_bit(make, ranks):
    model, expected_metrics = net(), figures()
    expected = measure(model, make(), F.cross_entropy, lambda done: False, expected_metrics)
    for scores, values, _ in shared(ranks, model, make, figures):
        assert scores == expected
        assert values == [metric.compute() for metric in expected_metrics]


class Three(Alone):
    size = 3


def test_sums_are_added_in_the_order_of_the_batches():
    rounds = iter([[[1.0, 1.0, loss, 1.0, 0.0, 0.0] for loss in (1e16, -1e16, 1.0)], [[0.0] * FIGURES] * 3])
    scores = measure_shared(net(), loader(), F.cross_entropy, lambda done: False, [], Three(),
                            lambda message: next(rounds))
    assert scores.loss == 1 / 3  # and 0 in another order


def test_a_rank_reads_and_computes_its_share_alone():
    sizes = []
    model = net()
    model.register_forward_hook(lambda layer, inputs, output: sizes.append(len(output)))
    read = [used.dataset.read for *_, used in shared(2, model, loader, list)]
    assert read == [[*range(8), *range(16, 24), *range(32, 40)], [*range(8, 16), *range(24, 32), 40, 41, 42]]
    assert sorted(sizes) == [3, 8, 8, 8, 8, 8]


def test_what_a_model_draws_depends_on_the_batch_and_not_on_the_ranks():
    results = []
    for ranks in (1, 2, 4):
        model = net(Noisy)
        results += [(scores, values)
                    for scores, values, _ in shared(ranks, model, loader, lambda: [OutputDigest()])]
    assert all(result == results[0] for result in results)


def drawn():
    """Batches, each made after a draw."""
    for batch in loader():
        random.next_key()
        yield batch


def test_all_ranks_stop_after_the_same_round():  # and go on from one state, as `shared` sees
    rounds = []

    def stop(done):
        rounds.append(done)
        return done >= 4
    assert [scores for scores, *_ in shared(2, net(), drawn, list, stop)] == [None, None]
    assert sorted(rounds) == [2, 2, 4, 4]


class Crowd:
    """A meeting to which nobody else comes."""

    parts = 2

    def tell(self, numbers):
        raise AssertionError("a part would wait for the other one for ever")


def test_a_layer_that_meets_other_ranks_in_training_looks_at_its_batch_alone(monkeypatch):
    synchronous = nn.Sequential(nn.SyncBatchNorm(3, track_running_stats=False), net())
    plain = nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False), synchronous[1])
    expected = measure(plain, loader(), F.cross_entropy, lambda done: False)
    monkeypatch.setattr(meeting.local, "meeting", Crowd())
    assert measure_shared(synchronous, loader(), F.cross_entropy, lambda done: False, [], Alone(),
                          lambda message: [message]) == expected


def test_a_run_with_shards_pauses_in_its_validation():
    class Started(train.callbacks.Callback):
        def on_train_start(self, run):
            self.run = run

    def held_out():
        for number, batch in enumerate(loader()):
            if number == 1:
                started.run.pause("enough")
            yield batch

    started, samples = Started(), Samples()
    history = train.fit(net(), (samples.images, samples.targets), batch_size=8, shards=2, epochs=1, seed=0,
                        progress=False, validation=held_out(), callbacks=[started])
    assert history.interrupted
    assert history[-1].val_loss is None


def test_no_batch_at_all_is_an_error_on_every_rank():
    with pytest.raises(ValueError, match="the data hold no batch"):
        shared(2, net(), list, list)


def test_a_round_tells_as_many_numbers_as_it_says():
    said = []

    def work(communicator):
        measure_shared(net(), loader(), F.cross_entropy, lambda done: False, [], communicator,
                       lambda message: said.append(len(message)) or tell(communicator, message))
    Ranks(2).run(work)
    assert {*said} == {FIGURES}
