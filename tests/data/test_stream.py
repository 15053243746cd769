"""Streams: every sample once, in an order set by the key and the epoch, also in threads, resumed exactly."""

import io
import itertools

import numpy as np
import pytest

import cnnkit
from cnnkit import models, nn, random, train
from cnnkit.data import ArrayDataset, DataLoader, IterableDataset
from cnnkit.data.datasets import digits
from cnnkit.data.stream import mixed
from cnnkit.train.callbacks import Callback, Checkpoint


class Counted(IterableDataset):
    """Samples 0 ... n - 1, and how many were read in all."""

    classes = tuple("abcdefghij")

    def __init__(self, n):
        self.n, self.read = n, 0

    def __iter__(self):
        for i in range(self.n):
            self.read += 1
            yield np.full((1, 2, 2), i, np.float32), i % 10


def pixels(loader):
    """The upper left pixel of each image of each batch."""
    return [x[:, 0, 0, 0].astype(int).tolist() for x, _ in loader.numpy_batches()]


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])])
def test_batches_come_in_the_streams_order(drop_last, sizes):
    loader = DataLoader(Counted(10), 4, drop_last=drop_last)
    assert [len(batch) for batch in pixels(loader)] == sizes
    assert list(itertools.chain(*pixels(loader))) == list(range(sum(sizes)))
    with pytest.raises(TypeError, match="nobody knows how many batches"):
        len(loader)
    with pytest.raises(TypeError, match="has no order"):
        loader.order(0)


@pytest.mark.parametrize("buffer_size", [1, 7, 50, 1000])
def test_shuffling_keeps_every_sample_and_depends_on_seed_and_epoch_only(buffer_size):
    loaders = [DataLoader(Counted(100), 9, shuffle=True, seed=3, buffer_size=buffer_size, num_workers=n)
               for n in (0, 2)]
    epochs = [pixels(loaders[0]) for _ in range(2)]
    assert [pixels(loaders[1]) for _ in range(2)] == epochs
    for epoch in epochs:
        assert sorted(itertools.chain(*epoch)) == list(range(100))
    assert (epochs[0] == epochs[1]) is (buffer_size == 1)


def test_a_buffer_holds_no_more_than_its_size_and_mixes_as_far_as_it_reaches():
    stream = Counted(5000)
    out = mixed((int(x[0, 0, 0]) for x, _ in stream), 100, random.key(0))
    first = next(out)
    assert stream.read == 101
    order = [first, *out]
    early = np.arange(5000) - np.array(order)
    assert early.min() == -99
    assert sorted(order) == list(range(5000))
    assert abs(np.mean(np.abs(early)) - 100 * 2 / np.e) < 5  # |t - 100|, t exponential of mean 100


def test_the_draws_of_a_long_stream_do_not_repeat():
    order = list(mixed(range(3 * 1024 + 10), 10, random.key(1)))
    buffer, slots = list(range(10)), []
    for n, sample in enumerate(order[:-10]):
        slots.append(buffer.index(sample))
        buffer[slots[-1]] = 10 + n
    assert len({tuple(slots[start:start + 1024]) for start in (0, 1024, 2048)}) == 3


def test_an_iterator_can_be_iterated_once():
    loader = DataLoader(iter([(np.zeros((1, 2, 2), np.float32), 0)] * 5), 2)
    assert [len(y) for _, y in loader.numpy_batches()] == [2, 2, 1]
    with pytest.raises(ValueError, match=r"a list_iterator can be gone through once.*IterableDataset"):
        iter(loader)


def test_threads_end_with_the_iteration_also_in_its_middle():
    import threading

    batches = iter(DataLoader(Counted(100), 4, num_workers=2))
    next(batches)
    batches.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("cnnkit-data")]


def test_an_error_of_the_stream_is_raised_in_its_place():
    def broken():
        yield from Counted(6)
        raise OSError("the line went dead")

    for workers in (0, 2):
        batches = iter(DataLoader(broken(), 2, num_workers=workers))
        assert [next(batches)[1].tolist() for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]
        with pytest.raises(OSError, match="the line went dead"):
            next(batches)


def test_bad_samples_are_named_by_their_position_in_the_epoch():
    def samples():
        for i in range(6):
            yield np.full((1, 2, 2), np.nan if i == 4 else 0, np.float32), 0

    with pytest.raises(ValueError, match="image 4 of the dataset holds NaN"):
        list(DataLoader(samples(), 3))


def test_set_epoch_tells_the_stream_too():
    class Epochs(Counted):
        def set_epoch(self, epoch):
            self.epoch = epoch

    stream = Epochs(4)
    loader = DataLoader(stream, 2)
    loader.set_epoch(3)
    iter(loader)
    assert stream.epoch == 3


def test_pytorchs_iterable_datasets_are_taken_as_they_are():
    torch = pytest.importorskip("torch")

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return ((torch.full((1, 2, 2), float(i)), torch.tensor(i % 3)) for i in range(7))

        def __len__(self):
            return 7

    assert pixels(DataLoader(Stream(), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    history = train.fit(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), Stream(), epochs=2,
                        batch_size=4, seed=0, progress=False)
    assert len(history) == 2
    loader = torch.utils.data.DataLoader(Stream(), batch_size=3, collate_fn=lambda s: tuple(
        cnnkit.tensor(torch.stack(part).numpy()) for part in zip(*s)))
    assert len(train.fit(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), loader, progress=False)) == 1


class Digits(IterableDataset):
    """The digits as a stream."""

    def __iter__(self):
        return iter(digits(train=True))


def trained(data, callbacks=(), resume=False, epochs=2, **settings):
    random.seed(0)
    model = models.CommonCNN((1, 8, 8))
    history = train.fit(model, data, epochs=epochs, seed=0, callbacks=callbacks, resume=resume,
                        progress=False, **settings)
    return [p.numpy() for p in model.parameters()], history


def test_fit_takes_a_stream_and_counts_its_images():
    weights, history = trained(Digits(), validation=DataLoader(Digits(), 256))
    assert history[-1].val_accuracy > 0.7
    batched, _ = trained(DataLoader(Digits(), 32, shuffle=True, seed=0))
    assert all((a == b).all() for a, b in zip(weights, batched))


def test_a_bar_and_schedules_do_without_the_number_of_batches():
    from rich.console import Console

    from cnnkit.train.progress import Bar

    trained(Digits(), epochs=1, scheduler="step", scheduler_interval="epoch")
    random.seed(0)
    train.fit(models.CommonCNN((1, 8, 8)), Digits(),
              progress=Bar(Console(force_terminal=True, file=io.StringIO())))
    with pytest.raises(ValueError, match="needs to know how many batches"):
        trained(Digits(), scheduler="one-cycle")


class StopAt(Callback):
    """Pause after so many batches."""

    def __init__(self, batches):
        self.batches = batches

    def on_train_batch_end(self, run):
        if run.step == self.batches:
            run.pause("for the test")


@pytest.mark.parametrize("stop", [45, *(pytest.param(stop, marks=pytest.mark.heavy) for stop in (7, 60))])
def test_a_stream_is_resumed_to_the_same_bits(tmp_path, stop):
    whole, _ = trained(Digits())
    _, history = trained(Digits(), [Checkpoint(tmp_path), StopAt(stop)])
    assert history.interrupted
    resumed, history = trained(Digits(), [Checkpoint(tmp_path)], resume=True)
    assert len(history) == 2
    assert all((a == b).all() for a, b in zip(whole, resumed))


def test_an_empty_stream_is_refused():
    with pytest.raises(ValueError, match="the data hold no batch"):
        trained(Counted(0))


def test_uint8_tensors_of_pytorch_have_their_channels_first():
    torch = pytest.importorskip("torch")
    images = torch.randint(0, 256, (4, 3, 5, 6), dtype=torch.uint8)
    x, _ = next(DataLoader(torch.utils.data.TensorDataset(images, torch.arange(4)), 4).numpy_batches())
    np.testing.assert_array_equal(x, ArrayDataset(images.numpy(), np.arange(4)).batch(range(4))[0])


def test_augmentation_of_a_streams_batch_depends_on_seed_epoch_and_number_only():
    from cnnkit.data.transforms import RandomErasing

    def loader(workers):
        return DataLoader(Digits(), 64, shuffle=True, seed=5, num_workers=workers,
                          augment=RandomErasing(p=0.5))

    plain, threaded, rest = (loader(n) for n in (0, 2, 0))
    whole = [x.numpy() for x, _ in plain]
    assert all((a == x.numpy()).all() for a, (x, _) in zip(whole, threaded, strict=True))
    rest.skip_batches(20)
    assert all((a == x.numpy()).all() for a, (x, _) in zip(whole[20:], rest, strict=True))
    assert any((a != x.numpy()).any() for a, (x, _) in zip(whole, plain.plain(), strict=True))
