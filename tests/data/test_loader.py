"""The loader gives every sample once an epoch, in an order set by (seed, epoch), and refuses bad samples."""

import itertools

import numpy as np
import pytest

import cnnkit
from cnnkit.data import ArrayDataset, DataLoader, Dataset, Subset, datasets, transforms


def numbered(n, **kwargs):
    """A dataset whose image i is filled with i and labelled i."""
    images = np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None, None], (n, 1, 2, 2)).copy()
    return ArrayDataset(images, np.arange(n), **kwargs)


def labels_of(loader):
    return [label for _, labels in loader.numpy_batches() for label in labels.tolist()]


@pytest.mark.parametrize(("n", "batch_size", "drop_last", "sizes"), [
    (10, 4, False, [4, 4, 2]), (10, 4, True, [4, 4]), (8, 4, False, [4, 4]), (8, 4, True, [4, 4]),
    (3, 5, False, [3]), (3, 1, False, [1, 1, 1]),
])
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_have_their_sizes_and_keep_labels_with_images(n, batch_size, drop_last, sizes, shuffle):
    loader = DataLoader(numbered(n), batch_size, shuffle, drop_last, seed=0)
    batches = list(loader)
    assert len(loader) == len(batches)
    assert [x.shape for x, _ in batches] == [(size, 1, 2, 2) for size in sizes]
    assert all(x[:, 0, 0, 0].numpy().tolist() == y.numpy().tolist() for x, y in batches)
    labels = [i for _, y in batches for i in y.numpy().tolist()]
    assert len(set(labels)) == len(labels) == sum(sizes)
    assert shuffle or labels == list(range(sum(sizes)))


def test_batches_are_tensors_with_float32_images_and_int64_labels():
    x, y = next(iter(DataLoader(datasets.digits(), 3)))
    assert isinstance(x, cnnkit.Tensor)
    assert isinstance(y, cnnkit.Tensor)
    assert ("float32" in str(x.dtype), "int64" in str(y.dtype)) == (True, True)


def test_batches_are_made_where_use_says_or_on_the_backend_given():
    pytest.importorskip("array_api_strict")
    loader, strict = DataLoader(numbered(4)), DataLoader(numbered(4), backend="array-api-strict")
    assert next(iter(loader))[0].backend == "numpy"
    assert [t.backend for t in next(iter(strict))] == ["array-api-strict", "array-api-strict"]
    with cnnkit.use("array-api-strict"):
        assert next(iter(loader))[0].backend == "array-api-strict"


def test_the_numbers_do_not_depend_on_the_path_that_made_them():
    mnist_like = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.1307, 0.3081)])
    fast = ArrayDataset(mnist_like, np.arange(20) % 10, transform=transform)
    pairs = [fast[i] for i in range(20)]
    batched, single = (DataLoader(dataset, 8, seed=3, shuffle=True).numpy_batches()
                       for dataset in (fast, pairs))
    for (x, y), (x_single, y_single) in zip(batched, single, strict=True):
        np.testing.assert_array_equal(x, x_single)
        np.testing.assert_array_equal(y, y_single)


# The order


def test_the_order_depends_on_the_seed_and_the_epoch_only():
    epochs = [labels_of(loader) for loader in [DataLoader(numbered(50), 7, True, seed=1)] for _ in range(3)]
    again = DataLoader(numbered(50), 50, True, seed=1, backend="numpy")
    assert [labels_of(again) for _ in range(3)] == epochs
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert labels_of(DataLoader(numbered(50), 7, True, seed=2)) != epochs[0]


def test_the_order_of_epoch_0_is_fixed_for_good():
    assert labels_of(DataLoader(numbered(10), 10, True, seed=0)) == [8, 3, 2, 1, 7, 0, 5, 4, 9, 6]


def test_set_epoch_goes_to_any_epoch_and_counting_goes_on_from_there():
    loader = DataLoader(numbered(30), 4, True, seed=0)
    epochs = [labels_of(loader) for _ in range(4)]
    loader.set_epoch(2)
    assert [labels_of(loader), labels_of(loader)] == epochs[2:]
    assert loader.epoch == 4


def test_an_epoch_is_counted_when_iteration_begins_even_if_it_is_left():
    loader = DataLoader(numbered(30), 4, True, seed=0)
    second = list(map(int, loader.order(1)))
    iterator = iter(loader)
    assert loader.epoch == 1
    next(iterator)
    assert labels_of(loader) == second


def test_two_iterations_at_once_do_not_disturb_each_other():
    loader = DataLoader(numbered(12), 4, True, seed=0)
    alone = [labels_of(loader), labels_of(loader)]
    loader.set_epoch(0)
    pairs = list(itertools.zip_longest(loader.numpy_batches(), loader.numpy_batches()))
    assert [[i for pair in pairs for i in pair[k][1].tolist()] for k in (0, 1)] == alone


def test_a_loader_without_a_seed_follows_the_global_one():
    orders = []
    for seed in (5, 5, 6):
        cnnkit.random.seed(seed)
        orders.append(labels_of(DataLoader(numbered(30), 4, True)))
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_state_dict_carries_the_orders_over(shuffle):
    first = DataLoader(numbered(30), 4, shuffle, seed=7)
    labels_of(first)
    state = first.state_dict()
    second = DataLoader(numbered(30), 4, shuffle, seed=8)
    second.load_state_dict(state)
    assert second.epoch == 1
    assert labels_of(second) == labels_of(first)


def test_a_state_dict_of_a_shuffling_loader_does_not_fit_one_that_does_not():
    with pytest.raises(ValueError, match="shuffle=True, but this one has shuffle=False"):
        DataLoader(numbered(3)).load_state_dict(DataLoader(numbered(3), shuffle=True, seed=0).state_dict())


# Datasets that it takes


def test_any_sequence_of_pairs_will_do():
    loader = DataLoader([(np.full((1, 2, 2), i, np.float32), i) for i in range(5)], 2)
    assert labels_of(loader) == list(range(5))


def test_pytorch_datasets_are_taken_as_they_are():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.rand(6, 1, 4, 4), torch.arange(6))
    x, y = next(iter(DataLoader(data, 3)))
    np.testing.assert_array_equal(x.numpy(), data.tensors[0][:3].numpy())
    assert (x.backend, y.numpy().tolist()) == ("numpy", [0, 1, 2])


def test_a_collate_fn_makes_the_batch_itself():
    loader = DataLoader(numbered(4), 2,
                        collate_fn=lambda samples: (np.zeros((1, 1)), np.array([s[1] for s in samples])))
    assert [(x.shape, y.numpy().tolist()) for x, y in loader] == [((1, 1), [0, 1]), ((1, 1), [2, 3])]


def test_the_guides_loader_runs_as_it_is_written():
    images = np.random.default_rng(0).integers(0, 256, (70, 28, 28), dtype=np.uint8)
    mnist = ArrayDataset(images, np.arange(70) % 10, transform=transforms.ToTensor())
    batches = list(DataLoader(mnist, batch_size=32))
    assert [x.shape for x, _ in batches] == [(32, 1, 28, 28), (32, 1, 28, 28), (6, 1, 28, 28)]


# Bad input


@pytest.mark.parametrize(("make", "error", "match"), [
    (lambda: DataLoader([]), ValueError, "the dataset is empty"),
    (lambda: DataLoader(numbered(3), 0), ValueError, "batch_size must be at least 1, got 0"),
    (lambda: DataLoader(numbered(3), 4, drop_last=True), ValueError,
     "leaves no batch of 3 samples with batch_size=4"),
    (lambda: DataLoader(5), TypeError, "a dataset with a length and an index, or an iterable; got a int"),
    (lambda: DataLoader(iter([]), buffer_size=0), ValueError, "buffer_size must be at least 1, got 0"),
    (lambda: DataLoader(numbered(3)).set_epoch(-1), ValueError, r"from 0 to less than 2\*\*63, got -1"),
])
def test_settings_that_make_no_sense_are_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()


class Broken(Dataset):
    """Sample 4 has a NaN, sample 5 a label that is too large."""

    classes = ("a", "b")

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return np.full((1, 2, 2), np.nan if index == 4 else 0, np.float32), 2 if index == 5 else 0


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: Subset(data, range(6)), list],
                         ids=["itself", "subset", "list"])
@pytest.mark.parametrize("collate_fn",
                         [None, lambda s: (np.stack([x for x, _ in s]), np.array([y for _, y in s]))])
def test_nan_is_found_in_the_batch_and_its_sample_named(wrap, collate_fn):
    loader = DataLoader(wrap(Broken()), 2, collate_fn=collate_fn)
    with pytest.raises(ValueError, match="image 4 of the dataset holds NaN"):
        list(loader)


def test_a_label_out_of_range_is_found_in_the_batch_and_its_sample_named():
    with pytest.raises(ValueError, match=r"label 2 of sample 5 is outside 0\.\.1, the range of 2 classes"):
        list(DataLoader(Subset(Broken(), [0, 1, 2, 3, 0, 5]), 2))


def test_nan_in_a_memory_mapped_array_is_found_in_its_batch(tmp_path):
    images = np.zeros((8, 2, 2), np.float32)
    images[6] = np.nan
    np.save(tmp_path / "x.npy", images)
    data = ArrayDataset(np.load(tmp_path / "x.npy", mmap_mode="r"), np.zeros(8, int))
    with pytest.raises(ValueError, match="image 6 of the dataset holds NaN"):
        list(DataLoader(data, 3))


@pytest.mark.parametrize("num_workers", [1, 3])
def test_workers_change_neither_batches_nor_their_order_nor_the_epoch(num_workers):
    plain, threaded = (DataLoader(numbered(23), 4, shuffle=True, seed=3, num_workers=n)
                       for n in (0, num_workers))
    for _ in range(2):
        for (x, y), (x2, y2) in zip(plain, threaded, strict=True):
            assert x.numpy().tobytes() == x2.numpy().tobytes()
            assert y.tolist() == y2.tolist()
    assert labels_of(plain) == labels_of(threaded)
    expected = {"epoch": 3, "key": list(plain._key), "shuffle": True}
    assert plain.state_dict() == threaded.state_dict() == expected


def test_a_broken_sample_is_reported_by_workers_too():
    images = np.zeros((10, 1, 2, 2), np.float32)
    images[7] = np.nan
    batches = iter(DataLoader([*zip(images, range(10))], 2, num_workers=2))
    assert [next(batches)[1].tolist() for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(ValueError, match="image 7 of the dataset holds NaN"):
        next(batches)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"num_workers": -1}, "num_workers must be 0 or more, got -1"),
    ({"prefetch_factor": 2}, "prefetch_factor must be at least 1 and needs num_workers"),
    ({"num_workers": 1, "prefetch_factor": 0}, "got prefetch_factor=0 with num_workers=1"),
])
def test_settings_of_workers_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(numbered(3), **arguments)


def test_batches_that_are_skipped_are_not_loaded_and_only_in_the_next_iteration():
    loaded = []

    class Recording(Dataset):
        def __len__(self):
            return 10

        def __getitem__(self, i):
            loaded.append(i)
            return np.zeros((1, 2, 2), np.float32), i

    def labels(loader):
        return [y.tolist() for _, y in loader]

    whole = labels(DataLoader(Recording(), 3, shuffle=True, seed=1))
    loader = DataLoader(Recording(), 3, shuffle=True, seed=1)
    loaded.clear()
    loader.skip_batches(2)
    assert labels(loader) == whole[2:]
    assert loaded == [i for batch in whole[2:] for i in batch]
    assert loader.epoch == 1
    assert len(labels(loader)) == 4
    loader.skip_batches(4)
    assert labels(loader) == []
    with pytest.raises(ValueError, match="an epoch has 4 batches: 5 of them cannot be left out"):
        loader.skip_batches(5)
