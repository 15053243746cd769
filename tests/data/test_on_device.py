"""Tensors as a dataset: their batches are made where they are, with the loader's orders and checks."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, nn
from cnnkit.data import ArrayDataset, DataLoader, Subset, TensorDataset
from cnnkit.train import evaluate, fit, predict


def arrays(dtype="float32"):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10, 1, 6, 6)).astype(np.uint8)
    return (images if dtype == "uint8" else (images / 255).astype(dtype)), rng.integers(0, 3, 10)


@pytest.fixture
def emulator():
    row = next(row for row in backends.list() if row.name == "emulator")
    if not row.available:
        pytest.skip(row.reason)
    return backends.get("emulator")


@pytest.fixture
def downloads(emulator, monkeypatch):
    """How many arrays the device gave back to the host."""
    taken, original = [], type(emulator).to_numpy

    def to_numpy(self, array):
        taken.append(tuple(array.shape))
        return original(self, array)
    monkeypatch.setattr(type(emulator), "to_numpy", to_numpy)
    return taken


def net():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_batches_are_those_of_the_same_arrays_on_the_host_and_stay(emulator, downloads, dtype, workers):
    images, labels = arrays(dtype)
    data = TensorDataset(emulator.asarray(images), emulator.asarray(labels))
    settings = {"batch_size": 4, "shuffle": True, "seed": 3}
    expected = [*DataLoader(ArrayDataset(images, labels), **settings)]
    downloads.clear()
    batches = [*DataLoader(data, num_workers=workers, **settings)]
    assert downloads == []
    assert [x.backend for x, _ in batches] == ["emulator"] * 3
    for (x, y), (x_expected, y_expected) in zip(batches, expected, strict=True):
        np.testing.assert_array_equal(x.numpy(), x_expected.numpy())
        assert y.tolist() == y_expected.tolist()
    host = [*DataLoader(data, **settings).numpy_batches()]
    assert all(isinstance(part, np.ndarray) for batch in host for part in batch)


def test_a_loader_with_a_backend_moves_them_there(emulator):
    data = TensorDataset(*map(emulator.asarray, arrays()))
    assert {x.backend for x, _ in DataLoader(data, 4, backend="numpy")} == {"numpy"}


def test_neighbours_are_a_view_and_others_are_gathered():
    images, labels = arrays()
    data = TensorDataset(images, labels)
    x, y = data.batch([3, 4, 5])
    assert np.may_share_memory(x.array, images)
    assert y.tolist() == labels[3:6].tolist()
    assert data.batch([5, 3])[0].tolist() == images[[5, 3]].tolist()
    assert data.batch([])[0].shape == (0, 1, 6, 6)
    image, label = data[2]
    assert image.shape == (1, 6, 6)
    assert label.item() == labels[2]
    with pytest.raises(IndexError, match="has 10 samples, 0 to 9"):
        data.batch([10])


@pytest.mark.parametrize(("images", "labels", "error", "message"), [
    ([[1.0]], np.zeros(1), TypeError, "takes images as a Tensor or an array of any library; got list"),
    (np.zeros((2, 1)), np.zeros(3), ValueError, r"images of shape \(2, 1\), labels of shape \(3,\)"),
    (np.zeros((0, 1)), np.zeros(0), ValueError, "there must be images"),
    (np.full((2, 1), np.nan), np.zeros(2), ValueError, "an image holds NaN or infinity"),
    (np.zeros((2, 1)), np.array([0, -1]), ValueError, "label -1 of sample 1 is negative"),
])
def test_what_is_no_dataset_is_refused(images, labels, error, message):
    with pytest.raises(error, match=message):
        TensorDataset(images, labels)


def test_images_and_labels_must_be_of_one_backend(emulator):
    images, labels = arrays()
    with pytest.raises(TypeError, match="images are of backend 'emulator' and the labels of 'numpy'"):
        TensorDataset(emulator.asarray(images), labels)


def test_fit_and_evaluate_keep_arrays_on_the_models_device(emulator, downloads):
    images, labels = arrays()
    cnnkit.random.seed(0)
    model = net().to("emulator")
    fit(model, (emulator.asarray(images), emulator.asarray(labels)), epochs=1, batch_size=5, progress=False)
    assert not any(shape[1:] == (1, 6, 6) and shape[0] > 5 for shape in downloads)  # a batch, to look at it
    scores = evaluate(model, (emulator.asarray(images), labels))
    assert scores.loss == pytest.approx(evaluate(model, ArrayDataset(images, labels)).loss, rel=1e-5)
    assert predict(model, emulator.asarray(images)).backend == "emulator"


@pytest.mark.parametrize("make", [lambda x, y: (x, y), ArrayDataset,
                                  lambda x, y: DataLoader(ArrayDataset(x, y), 5)],
                         ids=["arrays", "dataset", "loader"])
def test_host_data_go_to_the_model_wherever_it_is(emulator, make):
    images, labels = arrays()
    model = net().to("emulator")
    assert cnnkit.backends.current().name == "numpy"
    assert len(fit(model, make(images, labels), epochs=1, batch_size=5, progress=False).epochs) == 1
    assert evaluate(model, make(images, labels)).loss > 0


def test_a_loader_that_says_where_is_obeyed(emulator):
    loader = DataLoader(ArrayDataset(*arrays()), 5, backend="numpy")
    with pytest.raises(TypeError, match="two backends"):
        fit(net().to("emulator"), loader, epochs=1, progress=False)


def test_predict_and_a_part_of_the_data_stay_on_the_device_too(emulator, downloads):
    images, labels = arrays()
    data, model = TensorDataset(*map(emulator.asarray, (images, labels))), net().to("emulator")
    expected = predict(model, images).tolist()
    downloads.clear()
    assert predict(model, data, batch_size=4).backend == "emulator"
    assert not any(shape[1:] == (1, 6, 6) and shape[0] > 4 for shape in downloads)
    assert predict(model, data).tolist() == expected
    part = Subset(data, [7, 2, 2])
    (x, y), = DataLoader(part, 3)
    assert (x.backend, x.tolist()) == ("emulator", images[[7, 2, 2]].tolist())
    assert y.tolist() == labels[[7, 2, 2]].tolist()
    assert part.targets.tolist() == labels[[7, 2, 2]].tolist()
    assert len(fit(model, part, epochs=1, progress=False).epochs) == 1
