"""What all random transforms share: the same numbers everywhere, and images that do not affect each other."""

import numpy as np
import pytest

import cnnkit
from cnnkit import random
from cnnkit.data import transforms as T

RNG = np.random.default_rng(0)
KEY = random.key(5)
GATHERS = [  # pixels are moved, none is computed
    T.RandomHorizontalFlip(), T.RandomVerticalFlip(0.3),
    T.RandomCrop((5, 6)), T.RandomCrop(8, padding=(1, 2)),
    T.RandomCrop((7, 9), padding=2, padding_mode="reflect"), T.RandomErasing(0.9), T.CutMix(num_classes=4),
    T.RandomErasing(0.9, value="random"), T.RandomResizedCrop(6, interpolation="nearest")]
COMPUTED = [
    T.RandomRotation(40, "bilinear"),
    T.RandomAffine(20, (0.2, 0.1), (0.7, 1.4), (-5, 5, -8, 8), "bilinear", fill=(0.1, 0.5, 0.9)),
    T.RandomResizedCrop((9, 5)), T.RandomResizedCrop(12, antialias=False), T.ColorJitter(0.4, 0.4, 0.4, 0.2),
    T.RandomPerspective(0.4, 0.8), T.RandomAdjustSharpness(2), T.RandomAutocontrast(),
    T.MixUp(num_classes=4), T.Normalize((0.1, 0.2, 0.3), 0.5)]
every_transform = pytest.mark.parametrize("transform", GATHERS + COMPUTED + [T.RandomRotation(40)], ids=repr)


def images(n=6, shape=(3, 8, 9), dtype="float32"):
    return RNG.random((n, *shape)).astype(dtype)


def apply(transform, x, labels=None, key=KEY):
    return transform(x) if isinstance(transform, T.Normalize) else transform(x, labels, key=key)


@every_transform
def test_every_backend_draws_the_same_numbers_and_gives_the_same_pixels(backend, transform):
    x, y = images(), np.asarray([0, 3, 1, 2, 0, 1])
    with cnnkit.use("numpy"):
        expected = (apply(transform, x),
                    None if isinstance(transform, T.Normalize) else apply(transform, x, y)[1])
    array = backend.asarray(x)
    result = apply(transform, array)
    assert type(result) is type(array)
    assert str(result.dtype).endswith("float32")
    if transform in GATHERS:
        np.testing.assert_array_equal(backend.to_numpy(result), expected[0])
    elif isinstance(transform, T.RandomRotation):  # between two pixels rounding decides
        assert (backend.to_numpy(result) != expected[0]).mean() < 0.01
    else:
        np.testing.assert_allclose(backend.to_numpy(result), expected[0], rtol=1e-5, atol=2e-6)
    np.testing.assert_array_equal(backend.to_numpy(array), x)
    if expected[1] is not None:
        labels = backend.to_numpy(apply(transform, array, backend.asarray(y))[1])
        np.testing.assert_allclose(labels, expected[1], rtol=1e-6)


@every_transform
def test_the_numbers_of_an_image_do_not_depend_on_the_batch_size(transform):
    x = images(7)
    whole = apply(transform, x)
    if not isinstance(transform, T.MixUp):
        np.testing.assert_array_equal(apply(transform, x[:3]), whole[:3])
        np.testing.assert_array_equal(apply(transform, x[0]), whole[0])
    assert apply(transform, x[:0]).shape == (0, *whole.shape[1:])
    np.testing.assert_array_equal(apply(transform, x), whole)


@every_transform
def test_large_batches_in_host_memory_are_changed_in_blocks_to_the_same_bits(transform, monkeypatch):
    x = images(7)
    whole = apply(transform, x)
    monkeypatch.setattr("cnnkit.data.transforms.random_transform.BLOCK", 2 * x[0].size)
    np.testing.assert_array_equal(apply(transform, x), whole)


@every_transform
def test_a_tensor_comes_back_as_a_tensor_without_a_tape(transform):
    x = cnnkit.tensor(images(), requires_grad=True)
    result = apply(transform, x)
    assert isinstance(result, cnnkit.Tensor)
    assert not result.requires_grad
    np.testing.assert_array_equal(result.numpy(), apply(transform, x.numpy()))


@every_transform
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 13), (3, 1, 4), (1, 28, 28)])
def test_every_shape_of_image_is_taken(transform, shape):
    if isinstance(transform, T.RandomCrop) and transform.padding is None:
        transform = T.RandomCrop((1, 1))
    if isinstance(transform, T.RandomCrop) and transform.padding_mode == "reflect":
        transform = T.RandomCrop(2, 2, padding_mode="edge")
    if isinstance(transform, T.RandomCrop) and transform.size == (8, 8):
        transform = T.RandomCrop(3, padding=2)
    if shape[0] == 1 and isinstance(transform, T.RandomAffine):
        transform = T.RandomAffine(20, (0.2, 0.1), interpolation="bilinear")
    if shape[0] == 1 and isinstance(transform, T.Normalize):
        transform = T.Normalize(0.5, 0.5)
    x = images(1, shape)
    result = apply(transform, x)
    assert result.shape[:2] == (1, shape[0])
    assert np.isfinite(result).all()


@every_transform
@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_the_dtype_is_kept(transform, dtype):
    x = images(dtype=dtype)
    result = apply(transform, x)
    assert result.dtype == (np.float32 if isinstance(transform, T.Normalize) else dtype)
    with cnnkit.use("numpy"):
        tolerance = 1e-5 if dtype == "float64" else 5e-3
        if not isinstance(transform, T.RandomRotation) and transform not in GATHERS:
            np.testing.assert_allclose(result, apply(transform, x.astype("float32")),
                                       rtol=tolerance, atol=tolerance)


@every_transform
def test_any_memory_layout_is_taken_and_nothing_is_written(transform):
    x = images()
    strided = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    strided.flags.writeable = False
    np.testing.assert_allclose(apply(transform, strided), apply(transform, x), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("transform",
                         [t for t in GATHERS + COMPUTED if not isinstance(t, T.Normalize)], ids=repr)
def test_without_a_key_the_generator_gives_a_new_one_each_time(transform):
    x = images(40)
    random.seed(3)
    first, second = transform(x), transform(x)
    assert (first != second).any()
    random.seed(3)
    np.testing.assert_array_equal(transform(x), first)
    assert (transform(x, key=random.key(1)) != transform(x, key=random.key(2))).any()


def test_labels_come_back_beside_the_images():
    x, y = images(), [1, 2, 3, 4, 5, 6]
    changed, labels = T.RandomHorizontalFlip()(x, y, key=KEY)
    np.testing.assert_array_equal(changed, T.RandomHorizontalFlip()(x, key=KEY))
    assert labels is y


def test_compose_gives_each_part_a_key_of_its_own():
    x, y = images(), np.asarray([0, 1, 2, 3, 0, 1])
    flip, mix = T.RandomHorizontalFlip(), T.MixUp(num_classes=4)
    whole = T.Compose([flip, T.Normalize(0.5, 0.5), T.Compose([flip]), mix])
    changed, labels = whole(x, y, key=KEY)
    step = T.Normalize(0.5, 0.5)(flip(x, key=random.fold_in(KEY, 0)))
    step = flip(step, key=random.fold_in(random.fold_in(KEY, 2), 0))
    expected = mix(step, y, key=random.fold_in(KEY, 3))
    np.testing.assert_array_equal(changed, expected[0])
    np.testing.assert_array_equal(labels, expected[1])
    assert (whole.mixes_labels(), whole.label_classes()) == (True, 4)
    assert (T.Compose([flip]).mixes_labels(), T.Compose([flip]).label_classes()) == (False, None)
    assert whole(x, key=KEY).shape == x.shape


def test_a_dataset_may_have_random_transforms_too():
    from cnnkit.data import ArrayDataset

    pictures = RNG.integers(0, 256, (20, 8, 8), dtype=np.uint8)
    data = ArrayDataset(pictures, np.arange(20) % 10,
                        transform=T.Compose([T.ToTensor(), T.RandomHorizontalFlip()]))
    random.seed(0)
    batch = data.batch(range(20))[0]
    plain = T.ToTensor().transform_batch(pictures)
    flipped = (batch != plain).any(axis=(1, 2, 3))
    assert 0 < flipped.sum() < 20
    np.testing.assert_array_equal(batch[flipped], plain[flipped][..., ::-1])


def test_a_transform_shows_the_settings_that_are_not_the_defaults():
    assert repr(T.RandomCrop(28, padding=4)) == "RandomCrop(size=(28, 28), padding=4)"
    assert repr(T.RandomHorizontalFlip()) == "RandomHorizontalFlip()"
    assert repr(T.MixUp(num_classes=3)) == "MixUp(num_classes=3)"
    assert repr(T.ColorJitter(hue=0.1)) == "ColorJitter(hue=(-0.1, 0.1))"


@pytest.mark.parametrize("x", [np.zeros((2, 3, 4, 4), np.uint8), np.zeros((2, 3, 4, 4), np.int64), [[1.0]]])
def test_images_that_are_no_float_arrays_are_refused(x):
    with pytest.raises(TypeError,
                       match=r"RandomHorizontalFlip\(\) takes float images .* put ToTensor\(\) before it"):
        T.RandomHorizontalFlip()(x)


@pytest.mark.parametrize("shape", [(4, 4), (1, 1, 3, 4, 4)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"takes images \(C, H, W\) or \(N, C, H, W\), got shape"):
        T.RandomHorizontalFlip()(np.zeros(shape))
