"""MNIST and Fashion-MNIST are found wherever people keep them, and the error says where it looked."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from cnnkit.data import DataLoader, datasets, transforms
from cnnkit.data.datasets import MNIST, FashionMNIST

KINDS = [MNIST, FashionMNIST]
REAL = os.environ.get("CNNKIT_DATA")
needs_data = pytest.mark.skipif(not REAL, reason="CNNKIT_DATA names no folder with MNIST and Fashion-MNIST")


@pytest.fixture(autouse=True)
def nothing_on_this_machine(monkeypatch, tmp_path, request):
    if "real" not in request.node.name:
        monkeypatch.delenv("CNNKIT_DATA", raising=False)
    monkeypatch.setattr(FashionMNIST, "system", str(tmp_path / "no-system"))
    monkeypatch.setattr(MNIST, "_cache", staticmethod(lambda: tmp_path / "no-cache"))
    monkeypatch.chdir(tmp_path)


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_files(folder, value, packed=True, only=""):
    """Write the four files, filled with `value`: 3 training and 2 test images."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", 3), ("t10k", 2)):
        for name, array in (("images-idx3", np.full((n, 28, 28), value, np.uint8)),
                            ("labels-idx1", np.arange(n, dtype=np.uint8))):
            if only in name:
                path = folder / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
                path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))


def write_archive(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{f"{k}_{part}": np.full((n, 28, 28), value, np.uint8) if k == "x" else np.arange(n)
                      for part, n in (("train", 3), ("test", 2)) for k in "xy"})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("folder", ["", "{name}/raw", "{lower}"])
def test_idx_files_are_found_in_the_folder_given(tmp_path, kind, packed, folder):
    lower = kind.archive.removesuffix(".npz")
    write_files(tmp_path / "data" / folder.format(name=kind.__name__, lower=lower), 9, packed)
    train, test = kind("./data", train=True), kind(root=tmp_path / "data", train=False)
    assert (train.data.shape, test.data.shape) == ((3, 28, 28), (2, 28, 28))
    assert (train.data.dtype, train.targets.dtype, train.targets.tolist()) == (np.uint8, np.int64, [0, 1, 2])
    assert (train.data == 9).all()
    assert len(train.classes) == 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direct", [True, False])
def test_an_archive_is_found_in_the_folder_or_given_itself(tmp_path, kind, direct):
    write_archive(tmp_path / kind.archive, 4)
    data = kind(tmp_path / kind.archive if direct else tmp_path, train=False)
    assert (data.data.shape, data.targets.tolist()) == ((2, 28, 28), [0, 1])
    assert data.source == tmp_path / kind.archive


def test_folders_are_searched_in_order_root_environment_system_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNKIT_DATA", str(tmp_path / "env"))
    folders = {"cache": tmp_path / "no-cache/FashionMNIST/raw", "system": tmp_path / "no-system",
               "environment": tmp_path / "env/fashion-mnist", "root": tmp_path / "root"}
    for value, folder in enumerate(folders.values()):
        write_files(folder, value)
        assert FashionMNIST(tmp_path / "root").data[0, 0, 0] == value
    assert FashionMNIST().data[0, 0, 0] == 2


def test_one_set_in_the_environments_folder_is_not_taken_for_the_other(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNKIT_DATA", str(tmp_path))
    write_files(tmp_path, 1)
    write_files(tmp_path / "fashion-mnist", 2)
    write_archive(tmp_path / "mnist.npz", 3)
    assert MNIST().data[0, 0, 0] == 3
    assert FashionMNIST().data[0, 0, 0] == 2


@pytest.mark.parametrize(("kind", "extra"),
                         [(MNIST, "mnist.npz"), (FashionMNIST, "Debian's package dataset-fashion-mnist")])
def test_without_a_copy_the_error_says_where_it_looked_and_what_to_do(tmp_path, monkeypatch, kind, extra):
    monkeypatch.setenv("CNNKIT_DATA", str(tmp_path / "env"))
    with pytest.raises(FileNotFoundError) as error:
        kind(root="./data")
    message = str(error.value)
    for part in (f"{kind.__name__} was not found",
                 str(Path("data", kind.__name__, "raw")), str(tmp_path / "env"),
                 "train-images-idx3-ubyte.gz", "CNNKIT_DATA", f"{kind.__name__}(download=True)", extra):
        assert part in message
    assert "\n" not in message


def test_images_without_their_labels_are_mentioned(tmp_path):
    write_files(tmp_path / "MNIST/raw", 1, only="images")
    with pytest.raises(FileNotFoundError, match=r"which has train-images-idx3-ubyte.gz only"):
        MNIST(tmp_path)


def test_images_and_labels_of_different_counts_are_refused_and_named(tmp_path):
    write_files(tmp_path, 1)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(2, np.uint8))))
    with pytest.raises(ValueError,
                       match=r"train-images-idx3-ubyte.gz and .*train-labels.*: 3 images but 2 labels"):
        MNIST(tmp_path)


def test_exchanged_files_are_refused(tmp_path):
    write_files(tmp_path, 1)
    (tmp_path / "train-labels-idx1-ubyte.gz").rename(tmp_path / "train-images-idx3-ubyte.gz")
    write_files(tmp_path, 1, only="labels")
    with pytest.raises(ValueError, match=r"does not hold images .* but labels"):
        MNIST(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_download_is_checked_against_the_published_sums_and_kept(tmp_path, monkeypatch, kind):
    import pooch
    downloads = []

    def retrieve(url, known_hash, fname, path):
        downloads.append((url, known_hash))
        write_files(path, 5)
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    assert (kind(tmp_path, download=True).data == 5).all()
    assert [known_hash for _, known_hash in downloads] == [f"sha256:{sum_}" for sum_ in kind.sha256.values()]
    assert all(url.startswith("https://") for url in (*kind.mirrors, *(url for url, _ in downloads)))
    kind(tmp_path, train=False, download=True)
    assert len(downloads) == 4  # the second call found the files
    assert (tmp_path / kind.__name__ / "raw" / "t10k-labels-idx1-ubyte.gz").is_file()


def test_a_download_that_fails_everywhere_says_why_and_what_to_do(tmp_path, monkeypatch):
    import pooch

    def retrieve(url, known_hash, fname, path):
        raise (ConnectionError("no network\nmore") if "ossci" in url
               else ValueError("SHA256 hash does not match"))
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    with pytest.raises(OSError, match=r"ConnectionError: no network; .*ValueError: SHA256 .*pass root="):
        MNIST(tmp_path, download=True)


@needs_data
def test_the_guides_call_finds_the_real_mnist():
    mnist = datasets.MNIST(root='./data', train=True, transform=transforms.ToTensor(), )
    assert mnist.data.shape == (60000, 28, 28)
    assert np.bincount(mnist.targets).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    x, y = next(iter(DataLoader(mnist, batch_size=32)))
    assert (x.shape, y.numpy()[:5].tolist()) == ((32, 1, 28, 28), [5, 0, 4, 1, 9])
    mean = float(transforms.ToTensor().transform_batch(mnist.data).mean())
    assert round(mean, 4) == 0.1307  # the mean that is quoted everywhere


@needs_data
@pytest.mark.parametrize(("train", "n"), [(True, 60000), (False, 10000)])
def test_the_real_fashion_mnist_is_balanced(train, n):
    data = FashionMNIST(train=train)
    assert data.data.shape == (n, 28, 28)
    assert np.bincount(data.targets).tolist() == [n // 10] * 10
