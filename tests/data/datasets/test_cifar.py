"""CIFAR's binary files: pixels and labels are read, and files of a wrong size are named with the reason."""

import numpy as np
import pytest

from cnnkit.data import DataLoader, load
from cnnkit.data.datasets import CIFAR10, CIFAR100, read_cifar

RNG = np.random.default_rng(0)


def records(n, *highest):
    """Labels and pixels of n records, and the file's bytes."""
    labels = np.stack([RNG.integers(0, high, n, np.uint8) for high in highest], axis=1)
    pixels = RNG.integers(0, 256, (n, 3072), np.uint8)
    return labels, pixels.reshape(n, 3, 32, 32), b"".join(bytes(row) + bytes(image)
                                                          for row, image in zip(labels, pixels))


@pytest.fixture
def ten(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    parts = {}
    for n, name in enumerate([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"], 3):
        *parts[name], data = records(n, 10)
        (folder / name).write_bytes(data)
    return tmp_path, parts


@pytest.fixture
def hundred(tmp_path):
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    parts = {}
    for n, name in ((6, "train.bin"), (4, "test.bin")):
        *parts[name], data = records(n, 20, 100)
        (folder / name).write_bytes(data)
    return tmp_path, parts


@pytest.mark.parametrize("train", [True, False])
def test_all_parts_are_read_in_order(ten, train):
    root, parts = ten
    chosen = [part for name, part in parts.items() if name.startswith("data") == train]
    for folder in (root, root / "cifar-10-batches-bin"):
        data = CIFAR10(folder, train=train)
        np.testing.assert_array_equal(data.data, np.concatenate([images for _, images in chosen]))
        np.testing.assert_array_equal(data.targets, np.concatenate([labels[:, 0] for labels, _ in chosen]))
    assert (data.image_shape, data.classes[3]) == ((3, 32, 32), "cat")
    x, y = next(DataLoader(data, 2).numpy_batches())
    np.testing.assert_array_equal(x, chosen[0][1][:2] / np.float32(255))
    assert y.tolist() == chosen[0][0][:2, 0].tolist()


@pytest.mark.parametrize("coarse", [False, True])
def test_each_image_of_cifar_100_has_two_labels(hundred, coarse):
    root, parts = hundred
    for train, name in ((True, "train.bin"), (False, "test.bin")):
        data = CIFAR100(root, train, coarse=coarse)
        assert data.targets.tolist() == parts[name][0][:, 0 if coarse else 1].tolist()
        np.testing.assert_array_equal(data.data, parts[name][1])
        assert len(data.classes) == len(set(data.classes)) == (20 if coarse else 100)


def test_they_are_found_by_name(ten, hundred, monkeypatch):
    monkeypatch.setenv("CNNKIT_DATA", str(ten[0]))
    assert [len(part) for name in ("cifar10", "cifar100") for part in load(name)] == [25, 8, 6, 4]


@pytest.mark.parametrize(("change", "match"), [
    (lambda data: data[:-1],
     r"test_batch.bin is no whole .* 1 \+ 3,072 bytes .* 24,583 bytes are 7 of them and 3,072 bytes more"),
    (lambda data: data + b"\0", "are 8 of them and 1 bytes more; get it again"),
    (lambda data: b"", "0 bytes are 0 of them"),
    (lambda data: bytes(2 * 3074), "it would be 2 records of CIFAR-100"),
    (lambda data: bytes([10]) + data[1:], r"label 10 of image 0 is outside 0\.\.9; the file is damaged"),
])
def test_a_file_that_does_not_fit_is_named_with_the_reason(ten, change, match):
    path = ten[0] / "cifar-10-batches-bin" / "test_batch.bin"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=match):
        CIFAR10(ten[0], train=False)
    assert len(CIFAR10(ten[0])) == 25


def test_missing_files_are_named_and_where_to_get_them(ten, monkeypatch):
    monkeypatch.delenv("CNNKIT_DATA", raising=False)
    (ten[0] / "cifar-10-batches-bin" / "data_batch_4.bin").unlink()
    with pytest.raises(FileNotFoundError,
                       match=r"cifar-10-batches-bin lacks data_batch_4.bin\. Get cifar-10-binary.tar.gz"):
        CIFAR10(ten[0])
    with pytest.raises(FileNotFoundError, match=r"CIFAR100 was not found; looked in \(no folder\)"):
        CIFAR100()


def test_a_file_of_cifar_100_says_so_where_one_label_is_expected(hundred):
    with pytest.raises(ValueError, match="it would be 6 records of CIFAR-100"):
        read_cifar(hundred[0] / "cifar-100-binary" / "train.bin")
