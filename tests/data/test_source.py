"""One word names training data; the error for a word that names nothing lists what is possible."""

import numpy as np
import pytest
from PIL import Image

from cnnkit.data import SOURCES, DataLoader, load
from cnnkit.data.datasets import MNIST, FashionMNIST


def class_folders(root, size=(6, 4), names=("cat", "dog"), mode="L"):
    for name in names:
        (root / name).mkdir(parents=True)
        Image.new(mode, size).save(root / name / "0.png")
    return root


def assert_feeds_float32(data, shape):
    assert (data[0][0].shape, data[0][0].dtype) == (shape, np.float32)
    x, _ = next(DataLoader(data, 2).numpy_batches())
    assert (x.shape, x.dtype, data.image_shape) == ((2, *shape), np.float32, shape)


def test_digits_come_with_their_held_out_part():
    train, test = load("digits")
    assert (len(train), len(test), len(train.classes)) == (1438, 359, 10)
    assert_feeds_float32(train, (1, 8, 8))


@pytest.mark.parametrize(("name", "kind"), [("mnist", MNIST), ("fashion-mnist", FashionMNIST)])
def test_the_mnist_family_is_found_by_name(tmp_path, name, kind):
    x, y = np.zeros((3, 28, 28), np.uint8), np.arange(3)
    np.savez(tmp_path / f"{name}.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    train, test = load(name, root=tmp_path)
    assert (type(train), type(test), len(train), len(test)) == (kind, kind, 3, 2)
    assert_feeds_float32(test, (1, 28, 28))
    assert name in SOURCES


def test_a_folder_of_class_folders_has_no_test_part(tmp_path):
    train, test = load(class_folders(tmp_path))
    assert (train.classes, test) == (("cat", "dog"), None)
    assert_feeds_float32(train, (1, 4, 6))
    assert load(str(tmp_path), size=3, mode="RGB")[0].image_shape == (3, 3, 3)


@pytest.mark.parametrize(("learnt", "held_out"), [("train", "test"), ("train", "val"), ("TRAIN", "dev"),
                                                  ("Train", "TESTING"), ("training_set", "Validation")])
def test_a_folder_with_train_and_test_has_both_with_the_same_classes(tmp_path, learnt, held_out):
    class_folders(tmp_path / learnt)
    class_folders(tmp_path / held_out, names=["dog"], mode="RGB")
    with pytest.warns(UserWarning, match=f"{held_out} has no images of cat, which .*{learnt} has"):
        train, test = load(tmp_path)
    assert (train.classes, train.targets.tolist()) == (("cat", "dog"), [0, 1])
    assert (test.classes, test.targets.tolist(), test.mode) == (("cat", "dog"), [1], "L")


def test_folders_beside_the_parts_are_named(tmp_path):
    for part in ("train", "test", "val"):
        class_folders(tmp_path / part)
    class_folders(tmp_path, names=["unlabelled"])
    with pytest.warns(UserWarning, match="learnt from: train; held out: test; not read: unlabelled, val"):
        train, test = load(tmp_path)
    assert [data.root.name for data in (train, test)] == ["train", "test"]


def test_classes_that_only_the_test_part_has_are_named(tmp_path):
    class_folders(tmp_path / "train")
    class_folders(tmp_path / "test", names=["Cat", "cow", "dog"])
    with pytest.raises(ValueError, match=r"the folders Cat, cow in .*test are of no known class \(cat, "
                                         r"dog\); Cat and cat differ only in capital letters"):
        load(tmp_path)


def test_damaged_files_are_left_out_of_both_parts(tmp_path):
    for part in ("train", "test"):
        (class_folders(tmp_path / part) / "cat" / "1.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"1\.png cannot be read"):
        load(tmp_path)
    parts = load(tmp_path, on_error="skip", cache=1 << 20)
    assert [(len(data), len(data.corrupt)) for data in parts] == [(2, 1), (2, 1)]
    assert parts[0].cache is parts[1].cache


def test_images_that_stand_and_lie_need_a_size(tmp_path):
    class_folders(tmp_path)
    Image.new("L", (4, 6)).save(tmp_path / "cat" / "1.png")
    with (pytest.warns(UserWarning, match="turned by a quarter"),
          pytest.raises(ValueError, match=r"some images of .* stand and some lie, .* give size=")):
        load(tmp_path)
    assert load(tmp_path, size=4)[0].image_shape == (1, 4, 4)


def table(root, *rows, header="filename,label,split"):
    for name in ("a", "b", "c", "d"):
        (root / "images").mkdir(exist_ok=True)
        Image.new("L", (6, 4)).save(root / "images" / f"{name}.png")
    (root / "labels.csv").write_text("\n".join([header, *rows]))
    return root


def test_a_csv_file_of_labels_is_found_beside_its_images(tmp_path):
    table(tmp_path, "a.png,cat", "b,dog", "c,cat", header="id,class")
    for source in (tmp_path, tmp_path / "labels.csv", str(tmp_path / "labels.csv")):
        train, test = load(source, size=2)
        assert (train.classes, train.targets.tolist(), test) == (("cat", "dog"), [0, 1, 0], None)
        assert_feeds_float32(train, (1, 2, 2))


@pytest.mark.parametrize("held_out", ["Test", "valid"])
def test_a_column_says_which_part_a_row_belongs_to(tmp_path, held_out):
    table(tmp_path, "a,cat,TRAIN", "b,dog,Training", f"c,dog,{held_out}")
    with pytest.warns(UserWarning, match=r"the .* part has no images of cat, which the training part of"):
        train, test = load(tmp_path)
    assert (train.targets.tolist(), test.targets.tolist(), test.classes) == ([0, 1], [1], ("cat", "dog"))


def test_test_images_of_another_size_are_refused(tmp_path):
    class_folders(tmp_path / "train")
    class_folders(tmp_path / "test", size=(9, 9))
    with pytest.raises(ValueError, match=r"train has 4 x 6 pixels, .*test 9 x 9; give size= \(--size"):
        load(tmp_path)
    assert load(tmp_path, size=4)[1].image_shape == (1, 4, 4)


@pytest.mark.parametrize("has_test", [True, False])
def test_an_archive_has_a_test_part_where_it_names_one(tmp_path, has_test):
    x, y = np.zeros((4, 8, 8, 3), np.uint8), np.arange(4)
    parts = {"x_train": x, "y_train": y, "x_test": x[:2], "y_test": y[:2]} if has_test else {"x": x, "y": y}
    np.savez(tmp_path / "a.npz", **parts)
    train, test = load(tmp_path / "a.npz")
    assert (len(train), None if test is None else len(test)) == (4, 2 if has_test else None)
    assert_feeds_float32(train, (3, 8, 8))


def test_a_size_is_refused_where_nothing_is_resized(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((4, 8, 8), np.uint8), y=np.arange(4))
    for source in ("digits", tmp_path / "a.npz"):
        with pytest.raises(ValueError,
                           match=r"--size .*resizes the images of a folder; those of .*(digits|a.npz) keep"):
            load(source, size=16)


@pytest.mark.parametrize(("source", "match"), [
    ("", "there is no data ''"),
    ("digit", r"there is no data 'digit': give a name \(digits, mnist, fashion-mnist, "
     r"cifar10, cifar100\), .*you mean 'digits'\?"),
    ("fashion_mnist", "Did you mean 'fashion-mnist'"),
    ("zebras", r"there is no data 'zebras': .*, or an .npz file\.$"),
    ("no/such.npz", "there is no data 'no/such.npz'"),
    (__file__, "test_source.py is no .npz file: give a name"),
])
def test_the_error_for_a_word_that_names_nothing_lists_what_is_possible(source, match):
    with pytest.raises(ValueError, match=match):
        load(source)
