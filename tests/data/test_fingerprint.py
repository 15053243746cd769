"""A fingerprint is that of the samples: of their pixels or files, and of their labels."""

import shutil

import numpy as np
from PIL import Image

from cnnkit.data import ArrayDataset, Subset, datasets, fingerprint
from cnnkit.data.arrays import Samples
from cnnkit.data.fingerprint import fingerprint as of


def test_arrays_differ_by_pixels_labels_shape_and_type():
    images = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    same = [ArrayDataset(images, [0, 1]), ArrayDataset(images[:, ::-1][:, ::-1], np.array([0, 1], np.int8))]
    other = [ArrayDataset(images[::-1], [0, 1]), ArrayDataset(images, [1, 0]),
             ArrayDataset(images.reshape(2, 2, 8), [0, 1]), ArrayDataset(images.astype(np.float32), [0, 1])]
    assert of(same[0]) == of(same[1])
    assert len({of(data) for data in [same[0], *other]}) == 5


def test_of_many_pixels_some_are_read(monkeypatch):
    monkeypatch.setattr(fingerprint, "LARGEST", 64)
    images = np.zeros((16, 4, 4), np.uint8)
    before = of(ArrayDataset(images, [0] * 16))
    images[1] = 1
    assert of(ArrayDataset(images, [0] * 16)) == before
    images[4] = 1
    assert of(ArrayDataset(images, [0] * 16)) != before


def test_folders_differ_by_names_sizes_and_classes(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "a" / name).mkdir(parents=True)
        Image.new("L", (4, 4)).save(tmp_path / "a" / name / "0.png")
    first = of(datasets.ImageFolder(tmp_path / "a"))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert of(datasets.ImageFolder(tmp_path / "b", size=8)) == first
    (tmp_path / "b" / "cat" / "0.png").rename(tmp_path / "b" / "cat" / "1.png")
    assert of(datasets.ImageFolder(tmp_path / "b")) != first


def test_other_datasets_have_none():
    assert of([(0, 1)]) is None


def test_of_a_subset_it_is_that_of_the_whole_and_the_indices():
    whole = ArrayDataset(np.arange(32, dtype=np.uint8).reshape(2, 4, 4), [0, 1])
    assert of(Subset(whole, [0])) == of(Subset(whole, np.array([0])))
    others = [Subset(whole, [0]), Subset(whole, [1]), Subset(whole, [0, 1])]
    assert len({of(data) for data in (whole, *others)}) == 4
    assert of(Subset([(1, 2)], [0])) is None


def test_of_rows_it_is_that_of_numbers_and_targets():
    rows = np.arange(6.0).reshape(2, 3)
    assert of(Samples(rows, [0, 1])) == of(Samples(rows.copy(), [0, 1]))
    others = [Samples(rows, [1, 0]), Samples(-rows, [0, 1])]
    assert len({of(data) for data in (Samples(rows, [0, 1]), *others)}) == 3
