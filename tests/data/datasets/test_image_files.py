"""What datasets of image files share: batches are decoded in threads, and equal to single samples."""

import threading

import numpy as np
import pytest
from PIL import Image

from cnnkit import random
from cnnkit.data import DataLoader
from cnnkit.data.datasets import ImageFolder, image_files
from cnnkit.data.transforms import Compose, RandomErasing, ToTensor


@pytest.fixture
def root(tmp_path):
    (tmp_path / "a").mkdir()
    for n in range(6):
        Image.new("L", (6, 4), n).save(tmp_path / "a" / f"{n}.png")
    return tmp_path


@pytest.fixture
def threads(monkeypatch):
    """The threads that decode."""
    read, names = image_files.read_image, []
    monkeypatch.setattr(image_files.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(image_files, "read_image",
                        lambda *args: (names.append(threading.current_thread().name), read(*args))[1])
    return names


def test_a_batch_is_decoded_in_threads_and_is_the_samples(root, threads):
    data = ImageFolder(root)
    images, labels = data.batch([4, 0, 2])
    assert (np.rint(images[:, 0, 0, 0] * 255).tolist(), labels.tolist()) == ([4, 0, 2], [0, 0, 0])
    assert all("cnnkit-data" in name for name in threads)
    assert len(threads) == 3


def test_a_loaders_workers_decode_by_themselves(root, threads):
    list(DataLoader(ImageFolder(root), 3, num_workers=1).numpy_batches())
    assert len(set(threads)) == 1


def test_random_transforms_draw_in_the_order_of_the_indices(root):
    data = ImageFolder(root, Compose([ToTensor(), RandomErasing(p=1.0, value="random")]))
    batches = []
    for _ in range(4):
        random.seed(0)
        batches.append(data.batch(range(6))[0])
    assert all((batch == batches[0]).all() for batch in batches)


def test_samples_of_ones_own_are_batched(root, threads):
    class Numbered(ImageFolder):
        def __getitem__(self, index):
            image, label = super().__getitem__(index)
            return image, label + 10

    assert Numbered(root).batch([0, 1])[1].tolist() == [10, 10]


def test_a_damaged_image_is_an_error_of_its_batch(root):
    data = ImageFolder(root)
    (root / "a" / "3.png").write_bytes((root / "a" / "2.png").read_bytes()[:50])
    with pytest.raises(ValueError, match=r"3.png is cut off or damaged"):
        data.batch(range(6))
