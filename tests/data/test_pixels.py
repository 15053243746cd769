"""Batches by table lookup equal the transforms' results to the bit, and are used only where that holds."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends
from cnnkit.data import ArrayDataset, DataLoader, Subset, pixels
from cnnkit.data.transforms import Compose, Normalize, ToTensor
from cnnkit.data.transforms.compose import batched_form

RNG = np.random.default_rng(0)
STORED = {
    "gray": RNG.integers(0, 256, (11, 5, 7), dtype=np.uint8),
    "colour": RNG.integers(0, 256, (11, 3, 6, 7), dtype=np.uint8),
    "nhwc in memory": RNG.integers(0, 256, (11, 6, 7, 3), dtype=np.uint8).transpose(0, 3, 1, 2),
    "one pixel": RNG.integers(0, 256, (11, 1, 1), dtype=np.uint8),
    "large maps": RNG.integers(0, 256, (11, 2, 130, 129), dtype=np.uint8),
}
NORMALIZED = Compose([ToTensor(), Normalize(0.3, 0.4), Normalize((0.1,), 3.0)])


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("transform", [None, ToTensor(), NORMALIZED], ids=repr)
def test_a_batch_holds_the_value_of_each_pixel(name, transform):
    data = ArrayDataset(STORED[name], np.arange(11), transform=transform)
    images, labels = data.stored_batch([7, 2])
    values = data.pixel_values()
    images = images[:, None] if images.ndim == 3 else images
    assert (values.shape, values.dtype) == ((images.shape[1], 256), np.float32)
    x, y = data.batch([7, 2])
    expected = np.stack([values[c][images[:, c]] for c in range(images.shape[1])], axis=1)
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(y, labels)


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("used_backend", ["numpy", "cpu", "array-api-strict"])
def test_the_loader_gives_the_same_bits_as_one_image_after_the_other(name, used_backend):
    data = Subset(ArrayDataset(STORED[name], np.arange(11), transform=NORMALIZED), [9, 1, 4, 6, 0])
    with cnnkit.use(used_backend):
        batches = [(x.numpy(), y.tolist()) for x, y in DataLoader(data, 2, shuffle=True, seed=1)]
    one_by_one = DataLoader([data[i] for i in range(5)], 2, shuffle=True, seed=1)
    for (x, y), (x_single, y_single) in zip(batches, one_by_one.numpy_batches(), strict=True):
        np.testing.assert_array_equal(x, x_single)
        assert (x.dtype, y) == (np.float32, y_single.tolist())


def test_the_kernel_of_the_cpu_table_makes_the_batches(monkeypatch):
    if "cpu" not in [table.name for table in backends.kernel_tables("numpy") if table.available() is True]:
        pytest.skip("the C++ kernels are not built")
    data = ArrayDataset(STORED["colour"], np.arange(11), transform=NORMALIZED)
    monkeypatch.setattr(data, "batch", lambda indices: pytest.fail("the images were not looked up"))
    with cnnkit.use("cpu"):
        assert next(iter(DataLoader(data, 4)))[0].shape == (4, 3, 6, 7)


@pytest.mark.parametrize("used_backend", ["numpy", "cpu"])
def test_each_channel_has_values_of_its_own(used_backend):
    transform = Compose([ToTensor(), Normalize((0.1, 0.5, 0.9), (1, 2, 3))])
    with cnnkit.use(used_backend):
        x, _ = next(iter(DataLoader(ArrayDataset(STORED["colour"], np.arange(11), transform=transform), 11)))
    exact = ((STORED["colour"] / 255 - np.array([0.1, 0.5, 0.9])[:, None, None])
             / np.array([1.0, 2, 3])[:, None, None])
    np.testing.assert_allclose(x.numpy(), exact, rtol=1e-5, atol=1e-6)


def test_a_table_without_such_a_kernel_or_that_declines_is_no_obstacle():
    values = np.zeros((1, 256), np.float32)
    with cnnkit.use("numpy"):
        assert pixels.look_up(STORED["gray"], values, backends.current()) is None
    backends.register_table(backends.KernelTable("declines", "numpy",
                                                 {"look_up": lambda *a: NotImplemented}, priority=100))
    try:
        with cnnkit.use("declines"):
            assert pixels.look_up(STORED["gray"], values, backends.current()) is None
    finally:
        backends.register_table(remove="declines")


class Flipped(ToTensor):
    """Looks at more than one pixel, in a subclass of what does not."""

    def transform_batch(self, images):
        return super().transform_batch(images)[..., ::-1]


@pytest.mark.parametrize(
    "transform", [Flipped(), Compose([ToTensor(), lambda x: x]), Compose([Flipped(), Normalize(0, 1)]),
                  Compose([ToTensor(), Normalize(0, 1e-45)])], ids=["own", "callable", "part", "infinite"])
def test_a_transform_that_says_more_than_a_value_for_each_pixel_is_not_looked_up(transform):
    data = ArrayDataset(STORED["gray"], np.arange(11), transform=transform)
    assert data.pixel_values() is None
    assert Subset(data, [1]).pixel_values() is None


def test_float_images_are_not_looked_up():
    assert ArrayDataset(STORED["gray"] / 255, np.arange(11)).pixel_values() is None
    assert Subset([(1, 2)], [0]).pixel_values() is None


def test_a_batch_is_never_the_datasets_own_memory():
    data = ArrayDataset(STORED["gray"].copy(), np.arange(11))
    for name in ("numpy", "cpu"):
        with cnnkit.use(name):
            x, y = next(iter(DataLoader(data, 11)))
            x.array[...] = 0
            y.array[...] = 0
            assert (data.data.any(), data.targets.any()) == (True, True)


def test_normalising_in_place_spares_the_callers_images():
    images = RNG.random((2, 1, 3, 3), dtype=np.float32)
    before = images.copy()
    batched_form(Compose([Normalize(0.5, 0.5), Normalize(0.1, 0.2)]))(images)
    Compose([lambda x: x, Normalize(0.5, 0.5)])(images[0])
    np.testing.assert_array_equal(images, before)
