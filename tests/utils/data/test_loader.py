"""PyTorch's DataLoader: samples of any structure, its samplers, its arguments; and `fit` takes it."""

from collections import namedtuple

import numpy as np
import pytest

import cnnkit
from cnnkit import data, nn, train
from cnnkit.train.callbacks import Checkpoint, TimeLimit
from cnnkit.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)

Named = namedtuple("Named", "x y")


def plain(batch):
    """A batch with lists and type names in the place of Tensors."""
    if isinstance(batch, cnnkit.Tensor):
        return str(batch.dtype), batch.tolist()
    if isinstance(batch, dict):
        return {key: plain(value) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        return [plain(part) for part in batch]
    return batch


@pytest.mark.parametrize(("samples", "batch"), [
    ([(np.float32([1]), 2, "a"), (np.float32([3]), 4, "b")],
     [("float32", [[1.0], [3.0]]), ("int64", [2, 4]), ["a", "b"]]),
    ([{"A": np.uint8([200]), "deep": {"b": True}}] * 2,
     {"A": ("uint8", [[200], [200]]), "deep": {"b": ("bool", [True, True])}}),
    ([cnnkit.tensor([1, 2])] * 2, ("int64", [[1, 2], [1, 2]])),
    ([((cnnkit.tensor([1]), cnnkit.tensor([2])), -1)] * 2,
     [[("int64", [[1], [1]]), ("int64", [[2], [2]])], ("int64", [-1, -1])]),
    ([0.5, 1.5], ("float64", [0.5, 1.5])), ([np.float32(0.5)] * 2, ("float32", [0.5, 0.5])),
    ([[1, 2.0]] * 2, [("int64", [1, 1]), ("float64", [2.0, 2.0])]),
    ([np.float32([np.nan])] * 2, ("float32", [[pytest.approx(np.nan, nan_ok=True)]] * 2)),
], ids=["three", "mapping", "one", "views", "numbers", "scalars", "list", "nan"])
def test_a_batch_has_the_structure_of_its_samples(samples, batch):
    (found,) = DataLoader(samples, batch_size=2)
    assert plain(found) == batch


def test_a_named_tuple_stays_one():
    batch = default_collate([Named(1, 2), Named(3, 4)])
    assert isinstance(batch, Named)
    assert batch.y.tolist() == [2, 4]


@pytest.mark.parametrize(("samples", "error", "match"), [
    ([object()], TypeError, "found <class 'object'>: a transform such as ToTensor"),
    ([(1, 2), (1,)], RuntimeError, r"one length; got \[2, 1\]: a collate_fn"),
    ([np.zeros(2), np.zeros(3)], ValueError, "shape"),
])
def test_samples_that_make_no_batch_are_named(samples, error, match):
    with pytest.raises(error, match=match):
        default_collate(samples)


def test_what_collate_fn_gives_is_given_as_it_is():
    def targets(samples):
        return tuple(zip(*samples))
    samples = [(cnnkit.ones(n), {"boxes": np.ones((n, 4))}) for n in (1, 2)]
    ((images, found),) = DataLoader(samples, batch_size=2, collate_fn=targets)
    assert [image.shape for image in images] == [(1,), (2,)]
    assert found[1] is samples[1][1]


class Backwards(Sampler[int]):
    def __init__(self, dataset):
        super().__init__(dataset)
        self.dataset = dataset

    def __iter__(self):
        return iter(range(len(self.dataset) - 1, -1, -1))

    def __len__(self):
        return len(self.dataset)


class Endless(Sampler):
    def __iter__(self):
        while True:
            yield from cnnkit.randperm(3).tolist()

    def __len__(self):
        return 2**31


ROWS = TensorDataset(cnnkit.arange(7), cnnkit.arange(7) * 10)


def firsts(loader):
    """The first part of every batch."""
    return [batch[0].tolist() for batch in loader]


def numbers(loader):
    """The first parts of all batches in a row."""
    return [number for batch in firsts(loader) for number in batch]


@pytest.mark.parametrize("workers", [0, 2])
def test_samplers_say_which_samples_come(workers):
    loader = DataLoader(ROWS, 3, sampler=Backwards(ROWS), num_workers=workers)
    assert firsts(loader) == [[6, 5, 4], [3, 2, 1], [0]]
    assert firsts(DataLoader(ROWS, 3, sampler=Backwards(ROWS), drop_last=True)) == [[6, 5, 4], [3, 2, 1]]
    batches = BatchSampler(SequentialSampler(ROWS), 3, True)
    assert firsts(DataLoader(ROWS, batch_sampler=batches, num_workers=workers)) == [[0, 1, 2], [3, 4, 5]]
    assert firsts(DataLoader(ROWS, batch_sampler=[[0, 2], [5]])) == [[0, 2], [5]]
    assert len(DataLoader(ROWS, batch_sampler=batches)) == 2
    assert firsts(DataLoader(ROWS, 3, sampler=[6, 6])) == [[6, 6]]


@pytest.mark.parametrize("make", [
    lambda: DataLoader(ROWS, 3, shuffle=True, seed=5),
    lambda: DataLoader(ROWS, 3, sampler=RandomSampler(ROWS), seed=5),
    lambda: DataLoader(ROWS, 3, sampler=SubsetRandomSampler(range(7)), seed=5),
    lambda: DataLoader(ROWS, 3, shuffle=True, generator=cnnkit.Generator().manual_seed(5)),
    lambda: DataLoader(ROWS, batch_sampler=BatchSampler(RandomSampler(ROWS), 3, False), seed=5),
], ids=["shuffle", "RandomSampler", "SubsetRandomSampler", "generator", "batch_sampler"])
def test_an_order_is_drawn_anew_for_each_epoch_and_repeats_with_its_seed(make):
    loader, again = make(), make()
    epochs = [firsts(loader), firsts(loader)]
    assert epochs[0] != epochs[1]
    assert sorted(numbers(make())) == list(range(7))
    again.set_epoch(1)
    again.skip_batches(1)
    assert firsts(again) == epochs[1][1:]


def test_an_endless_sampler_is_read_as_far_as_it_is_needed():
    batches = iter(DataLoader(ROWS, batch_size=4, sampler=Endless(), seed=0))
    drawn = [number for _ in range(3) for number in next(batches)[0].tolist()]
    assert [sorted(drawn[i:i + 3]) for i in range(0, 12, 3)] == [[0, 1, 2]] * 4


def test_samplers_are_found_where_pytorch_has_them():
    assert isinstance(DataLoader(ROWS).sampler, SequentialSampler)
    assert len(DataLoader(ROWS, shuffle=True).sampler) == 7
    sampler = Backwards(ROWS)
    assert DataLoader(ROWS, sampler=sampler).sampler is sampler
    assert len(list(RandomSampler(ROWS, replacement=True, num_samples=20))) == 20
    assert set(WeightedRandomSampler([0, 1, 0], 5)) == {1}


def test_parts_and_sums_of_datasets_are_datasets():
    both = ROWS + TensorDataset(cnnkit.tensor([70]), cnnkit.tensor([700]))
    assert isinstance(both, ConcatDataset)
    assert [row.tolist() for row in both[-1]] == [70, 700]
    assert firsts(DataLoader(Subset(both, [7, 0]), 2)) == [[70, 0]]
    assert firsts(DataLoader(Subset(Subset(ROWS, [5, 6, 1]), [2, 0]), 2)) == [[1, 5]]
    parts = random_split(ROWS, [5, 2], generator=cnnkit.Generator().manual_seed(0))
    assert sorted(number for part in parts for number in numbers(DataLoader(part, 4))) == list(range(7))


def test_a_stream_gives_batches_of_any_structure():
    class Stream(IterableDataset):
        def __iter__(self):
            return ({"n": n} for n in range(3))
    batches = [plain(batch) for batch in DataLoader(Stream(), 2)]
    assert batches == [{"n": ("int64", [0, 1])}, {"n": ("int64", [2])}]


def test_arguments_that_say_how_pytorch_loads_are_accepted():
    loader = DataLoader(ROWS, 7, False, None, None, 1, None, True, timeout=9, worker_init_fn=print,
                        multiprocessing_context="fork", persistent_workers=True, pin_memory_device="cuda")
    assert firsts(loader) == [[0, 1, 2, 3, 4, 5, 6]]


@pytest.mark.parametrize(("settings", "match"), [
    ({"batch_sampler": [[0]], "batch_size": 2}, "goes without batch_size"),
    ({"sampler": [0], "shuffle": True}, "goes without shuffle=True"),
    ({"batch_size": None}, "batch_size=None")])
def test_arguments_that_exclude_one_another_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        DataLoader(ROWS, **settings)


def test_datasets_that_make_batches_do_so_here_too():
    digits = data.datasets.digits(train=False)
    for dataset in (digits, Subset(digits, range(9))):
        x, y = next(iter(DataLoader(dataset, batch_size=4)))
        expected = dataset.batch(range(4))
        np.testing.assert_array_equal(x.numpy(), expected[0])
        np.testing.assert_array_equal(y.numpy(), expected[1])


class Numbered(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        return cnnkit.full((1, 4, 4), float(index % 3)), index % 3


@pytest.mark.parametrize("dataset", [Numbered(), TensorDataset(cnnkit.stack([x for x, _ in Numbered()]),
                                                               cnnkit.tensor([y for _, y in Numbered()]))])
def test_fit_and_evaluate_take_it(dataset):
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    loader = DataLoader(dataset, batch_size=4, shuffle=True, seed=0)
    history = train.fit(model, loader, validation=DataLoader(dataset, 5), epochs=2, progress=False)
    assert len(history.epochs) == 2
    assert train.predict(model, DataLoader(dataset, 5)).shape[0] == 12


def test_a_run_with_an_iterated_sampler_is_resumed_to_the_same_bits(tmp_path):
    def run(callbacks=(), resume=False):
        cnnkit.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
        loader = DataLoader(Numbered(), 2, sampler=SubsetRandomSampler(range(12)), seed=3)
        history = train.fit(model, loader, epochs=3, callbacks=callbacks, resume=resume, progress=False)
        return [p.numpy() for p in model.parameters()], history

    whole, _ = run()
    assert run([Checkpoint(tmp_path, every_n_batches=2), TimeLimit(seconds=0.0001)])[1].interrupted
    resumed, _ = run([Checkpoint(tmp_path)], resume=True)
    assert all((a == b).all() for a, b in zip(whole, resumed))


def test_the_batches_are_pytorchs():
    torch = pytest.importorskip("torch")
    samples = [{"x": np.float32([n]), "y": (n, n / 2, np.int16(n)), "name": str(n)} for n in range(5)]
    theirs = torch.utils.data.DataLoader(samples, batch_size=2)
    for mine, its in zip(DataLoader(samples, batch_size=2), theirs, strict=True):
        assert mine["name"] == its["name"]
        for a, b in zip([mine["x"], *mine["y"]], [its["x"], *its["y"]], strict=True):
            assert (str(a.dtype), a.tolist()) == (str(b.dtype).removeprefix("torch."), b.tolist())
