"""Folders for training and testing are known by their names, however these are spelt."""

import pytest
from PIL import Image

from cnnkit.data.parts import folder_parts, part_of_name


def images(root, *names):
    for name in names:
        (root / name).mkdir(parents=True)
        Image.new("L", (6, 4)).save(root / name / "0.png")
    return root


@pytest.mark.parametrize(("part", "names"), [
    ("train", ["train", "Train", "TRAINING", "training_set", "train-images", "Trainset", "train data"]),
    ("test", ["test", "Testing", "TEST_SET", "test.images"]),
    ("validation", ["val", "VALID", "Validation", "dev", "valset", "Validation Set"]),
    (None, ["cat", "trains", "testament", "valley", "developer", "set", ""])])
def test_names_say_which_part(part, names):
    assert {name: part_of_name(name) for name in names} == dict.fromkeys(names, part)


@pytest.mark.parametrize(("folders", "train", "held_out", "unread"), [
    (["Train/a", "Test/a"], "Train", "Test", []),
    (["train/a", "val/a", "test/a"], "train", "test", ["val"]),
    (["train/a", "valid/a"], "train", "valid", []),
    (["train/a", "test"], "train", None, ["test"]),  # a test part without labels
    (["training/a", "dev/a", "extra/b"], "training", "dev", ["extra"]),
    (["train/a", "docs/.thumbnails"], "train", None, []),
])
def test_the_test_part_is_held_out_else_the_validation_part(tmp_path, folders, train, held_out, unread):
    parts = folder_parts(images(tmp_path, *folders))
    assert (parts.train.name, parts.held_out and parts.held_out.name) == (train, held_out)
    assert [folder.name for folder in parts.unread] == unread
    assert f"learnt from: {train}" in str(parts)


@pytest.mark.parametrize("folders", [["cat", "dog"], ["train", "plane"], ["test/a", "val/a"],
                                     [".train/a", "b"]])
def test_without_a_training_part_there_are_no_parts(tmp_path, folders):
    assert folder_parts(images(tmp_path, *folders)) is None


def test_two_folders_for_one_part_are_refused(tmp_path):
    images(tmp_path, "train/a", "Training/a")
    with pytest.raises(ValueError, match="has two folders for the train part, Training and train; rename"):
        folder_parts(tmp_path)
