"""Images whose labels stand in a CSV file: found by path or name, mistakes named by line."""

import os

import numpy as np
import pytest
from PIL import Image

from cnnkit.data import DataLoader
from cnnkit.data.datasets import ImageTable
from cnnkit.storage import FormatError


@pytest.fixture
def root(tmp_path):
    for n, name in enumerate(["a.png", "b.JPG", "more/c.png", "more/deep/d.v2.png"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (6, 4), 10 * n).save(tmp_path / name)
    return tmp_path


def labels(root, *rows, header="filename,label"):
    (root / "labels.csv").write_bytes("\n".join([header, *rows]).encode("utf-8", "surrogateescape"))
    return root / "labels.csv"


def test_images_have_the_tables_labels_in_its_order(root):
    data = ImageTable(labels(root, "b.JPG,dog", "a.png,cat", "more/c.png,dog"))
    assert (data.classes, data.targets.tolist(), data.mode) == (("cat", "dog"), [1, 0, 1], "L")
    x, y = next(DataLoader(data, 3, num_workers=2).numpy_batches())
    assert (np.rint(x[:, 0, 0, 0] * 255).tolist(), y.tolist()) == ([10, 0, 20], [1, 0, 1])


@pytest.mark.parametrize(("name", "file"), [
    ("a", "a.png"), ("b", "b.JPG"), ("b.jpg", "b.JPG"), ("./a.png", "a.png"), ("c", "more/c.png"),
    ("more\\c.png", "more/c.png"), ("c.png", "more/c.png"), ("d.v2", "more/deep/d.v2.png"),
    ("elsewhere/A.PNG", "a.png"), ("deep/d.v2.png", "more/deep/d.v2.png")])
def test_a_file_is_found_by_path_or_by_name_with_or_without_ending(root, name, file):
    data = ImageTable(labels(root, f"{name},x"))
    assert [found for found, _ in data.samples] == [root / file]


def test_an_exact_name_goes_before_a_similar_one(root):
    Image.new("L", (6, 4)).save(root / "more" / "C.png")
    assert ImageTable(labels(root, "c.png,x")).samples == [(root / "more" / "c.png", 0)]
    Image.new("L", (6, 4)).save(root / "c.gif")
    assert ImageTable(labels(root, "c,x")).samples == [(root / "c.gif", 0)]


def test_the_images_may_lie_elsewhere(root, tmp_path):
    (tmp_path / "tables").mkdir()
    data = ImageTable(labels(tmp_path / "tables", "a.png,1", "c.png,3"), root)
    assert (data.classes, data.targets.tolist()) == (("1", "3"), [0, 1])


def test_a_part_is_taken_and_numbers_the_classes_of_all(root):
    table = labels(root, "a,x,Train", "b,y,test_set", "c,z,TEST", header="file,label,split")
    train, test = (ImageTable(table, part=part) for part in ("train", "test"))
    assert train.classes == test.classes == ("x", "y", "z")
    assert (train.targets.tolist(), test.targets.tolist()) == ([0], [1, 2])
    with pytest.raises(ValueError, match=r"part='validation': .*labels.csv has no such rows"):
        ImageTable(table, part="validation")


def test_missing_and_damaged_images_are_left_out_and_listed(root):
    (root / "a.png").write_bytes(b"damaged")
    table = labels(root, "a,x", "gone.png,x", "b,y", "also gone,y")
    with pytest.raises(ValueError, match=r"images that are not in .*: line 3: gone.png, line 5: also gone"):
        ImageTable(table)
    data = ImageTable(table, on_error="skip")
    assert [file.name for file, _ in data.corrupt] == ["a.png", "also gone", "gone.png"]
    assert (data.targets.tolist(), data.classes) == ([1], ("x", "y"))


def test_undecodable_names_and_labels_are_taken(root):
    name = os.fsdecode(b"\xff.png")
    Image.new("L", (6, 4)).save(root / name)
    data = ImageTable(labels(root, f"{name},{os.fsdecode(bytes([0xe9]))}"))
    assert (data.samples, data.classes) == ([(root / name, 0)], (r"\udce9",))


@pytest.mark.parametrize(("make", "error", "match"), [
    (lambda root: ImageTable(labels(root, "a,x", "b,y", "a.png,y")), ValueError,
     r"lines 2 and 4: .*a.png has two labels, x and y"),
    (lambda root: ImageTable(labels(root, "a,x", header="id,label"), part="train"), ValueError,
     "no column that says which part .* split_column="),
    (lambda root: ImageTable(labels(root, "a,x,holiday", header="id,label,split"), part="train"), ValueError,
     "line 2: holiday is neither train, test nor validation"),
    (lambda root: ImageTable(labels(root, "a,x", "b,y"), classes=["x", "z"]), ValueError,
     "labels that are none of the classes x, z: y"),
    (lambda root: ImageTable(root / "no.csv"), FileNotFoundError, "there is no file .*no.csv"),
    (lambda root: ImageTable(labels(root, "a,x"), root / "no"), FileNotFoundError, "there is no folder .*no"),
    (lambda root: Image.new("L", (6, 4)).save(root / "more" / "a.jpg") or ImageTable(labels(root, "x/a,x")),
     ValueError, "line 2: x/a may be .*a.png or .*more/a.jpg; name its path"),
])
def test_mistakes_are_named(root, make, error, match):
    with pytest.raises(error, match=match):
        make(root)


def test_a_row_that_is_there_twice_counts_once(root):
    assert len(ImageTable(labels(root, "a,x", "a.png,x", "b,x"))) == 2


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "a/" * 3000 + "b.png", "/", "/dev/zero"])
def test_names_that_no_file_can_have_are_one_error(tmp_path, name):
    Image.new("L", (8, 8)).save(tmp_path / "0.png")
    (tmp_path / "t.csv").write_text(f"file,label\n0.png,a\n{name},b\n")
    with pytest.raises(FormatError, match=r"t\.csv names images that are not in"):
        ImageTable(tmp_path / "t.csv")


def test_a_label_of_many_digits_is_a_text(tmp_path):
    for n in range(2):
        Image.new("L", (8, 8)).save(tmp_path / f"{n}.png")
    (tmp_path / "t.csv").write_text(f"file,label\n0.png,2\n1.png,{'9' * 5000}\n")
    assert len(ImageTable(tmp_path / "t.csv").classes) == 2
