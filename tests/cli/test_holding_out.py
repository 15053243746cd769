"""What a model has not seen: `evaluate` measures that, and says where it cannot know."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cnnkit.cli import run
from cnnkit.models import read_settings


@pytest.fixture
def pets(elsewhere):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (elsewhere / "pets" / name).mkdir(parents=True)
        for i in range(10):
            image = Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8))
            image.save(elsewhere / "pets" / name / f"{i}.png")
    return elsewhere / "pets"


def evaluated(capsys, *arguments):
    """What `evaluate --json` printed, and its warnings."""
    capsys.readouterr()
    assert run(["evaluate", "net", *arguments, "--json"]) == 0
    printed = capsys.readouterr()
    return json.loads(printed.out), printed.err


def test_a_folder_is_measured_on_the_images_that_were_held_out(pets, capsys):
    assert run(["train", "pets", "--epochs", "2", "--seed", "3", "--val", "0.3", "--out", "net"]) == 0
    settings = read_settings("net.safetensors")
    shutil.copytree("pets", "copied")
    for folder in ("pets", "copied"):
        found, warning = evaluated(capsys, folder)
        assert (found["images"], found["part"], warning) == (6, "held-out part", "")
        assert found["accuracy"] == settings["accuracy"]
    assert run(["evaluate", "net", "pets"]) == 0
    assert capsys.readouterr().out.startswith("6 images of pets held out of the training: accuracy ")
    found, warning = evaluated(capsys, "pets", "--all")
    assert (found["images"], found["part"]) == (20, "all")
    assert "net has learned from most of these images" in warning


def test_a_folder_that_has_changed_is_measured_whole_and_that_is_said(pets, capsys):
    assert run(["train", "pets", "--epochs", "0", "--out", "net"]) == 0
    (pets / "cat" / "3.png").unlink()
    found, warning = evaluated(capsys, "pets")
    assert found["images"] == 19
    assert "pets has changed since net learned from it" in warning


def test_images_that_were_all_learned_from_are_named_so(pets, capsys):
    np.savez("held.npz", x=np.zeros((4, 8, 8), np.uint8), y=np.arange(4) % 2)
    shutil.copytree("pets", "other")
    assert run(["train", "pets", "--epochs", "0", "--val", "other", "--out", "net"]) == 0
    found, warning = evaluated(capsys, "pets")
    assert found["images"] == 20
    assert "net has learned from these images" in warning


def test_other_data_are_measured_without_a_word(pets, capsys):
    np.savez("all.npz", x=np.arange(20 * 64).reshape(20, 8, 8).astype(np.uint8), y=np.arange(20) % 2)
    np.savez("new.npz", x=np.zeros((4, 8, 8), np.uint8), y=np.arange(4) % 2)
    assert run(["train", "all.npz", "--epochs", "0", "--out", "net"]) == 0
    assert evaluated(capsys, "all.npz")[0]["images"] == 4
    found, warning = evaluated(capsys, "new.npz")
    assert (found["images"], found["part"], warning) == (4, "all", "")


def test_damaged_images_are_left_out_counted_and_listed(pets, capsys):
    for name in ("a.png", "b.png"):
        (pets / "cat" / name).write_bytes(b"no image")
    assert run(["train", "pets", "--epochs", "1", "--out", "net"]) == 0
    printed = capsys.readouterr()
    assert "on pets: 16 images of 1 x 8 x 8, 4 held out" in printed.out
    first, *files = printed.err.splitlines()
    assert first == "cnnkit: 2 of 22 images cannot be read and are left out (--on-error raise stops instead):"
    assert [name in line for name, line in zip(("a.png", "b.png"), files, strict=True)] == [True, True]
    assert run(["train", "pets", "--epochs", "1", "--on-error", "raise", "--out", "net"]) == 2
    assert "a.png cannot be read as an image" in capsys.readouterr().err


def test_predict_takes_a_folder(pets, capsys):
    assert run(["train", "pets", "--epochs", "0", "--out", "net"]) == 0
    capsys.readouterr()
    assert run(["predict", "net", "pets/dog", "pets/cat/1.png", "--json"]) == 0
    names = [row["image"] for row in json.loads(capsys.readouterr().out)]
    assert names == [*(f"pets/dog/{i}.png" for i in range(10)), "pets/cat/1.png"]


def test_predict_leaves_out_what_cannot_be_read_in_a_folder_and_lists_it(pets, capsys):
    assert run(["train", "pets", "--epochs", "0", "--out", "net"]) == 0
    (pets / "dog" / "bad.png").write_bytes(b"no image")
    capsys.readouterr()
    assert run(["predict", "net", "pets/dog", "--json"]) == 0
    printed = capsys.readouterr()
    assert [row["image"] for row in json.loads(printed.out)] == [f"pets/dog/{i}.png" for i in range(10)]
    first, second = printed.err.splitlines()
    assert first == "cnnkit: 1 of 11 images cannot be read and is left out:"
    assert "bad.png cannot be read as an image" in second
    assert run(["predict", "net", "pets/dog/bad.png"]) == 2
    for file in (pets / "cat").iterdir():
        file.write_bytes(b"no image")
    assert run(["predict", "net", "pets/cat"]) == 2
    assert "none of the images can be read" in capsys.readouterr().err
