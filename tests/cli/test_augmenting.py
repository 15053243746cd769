"""`cnnkit augment`: a sheet of images and their variants; `cnnkit train --augment` trains on variants."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from power_cut import Disk

from cnnkit import random
from cnnkit.cli import run
from cnnkit.data.transforms import named
from cnnkit.models import read_settings


def opened(name):
    with Image.open(name) as sheet:
        return np.asarray(sheet)


def picture(name, shape, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    Image.fromarray(values).save(name)
    return values


def test_the_sheet_has_the_image_and_its_variants(capsys):
    values = picture("a.png", (40, 100, 3))
    assert run(["augment", "a.png", "--out", "sheet.png", "--variants", "3", "--seed", "7",
                "--augment", "vflip=1,crop=5"]) == 0
    assert "1 image with 3 variants saved to sheet.png: vflip=1,crop=5" in capsys.readouterr().out
    sheet = opened("sheet.png")
    assert sheet.shape == (40, 4 * 100 + 3 * 2, 3)
    np.testing.assert_array_equal(sheet[:, :100], values)
    assert (sheet[:, 100:102] == 255).all()
    x = np.float32(values.transpose(2, 0, 1) / np.float32(255))
    expected = named("vflip=1,crop=5", (3, 40, 100))(x[None], key=random.fold_in(random.key(7), 1))[0]
    np.testing.assert_array_equal(sheet[:, 204:304],
                                  np.rint(expected * 255).astype(np.uint8).transpose(1, 2, 0))


def test_a_power_cut_leaves_the_old_sheet_or_the_new_one(tmp_path, monkeypatch):
    picture("a.png", (20, 30, 3))
    assert run(["augment", "a.png", "--out", "sheet.png", "--seed", "1"]) == 0
    before = {name: Path(name).read_bytes() for name in ("a.png", "sheet.png")}
    disk = Disk(tmp_path)
    with monkeypatch.context() as patch:
        disk.everywhere(patch)
        assert run(["augment", "a.png", "--out", "sheet.png", "--seed", "2"]) == 0
    disk.check(before)
    assert ({state["sheet.png"] for state in disk.states(before)}
            == {before["sheet.png"], Path("sheet.png").read_bytes()})


def test_small_images_are_shown_larger_and_grey_ones_grey(capsys):
    first, _ = picture("a.png", (28, 28)), picture("b.png", (28, 28), 1)
    assert run(["augment", "a.png", "b.png", "--out", "sheet.png", "--variants", "1",
                "--augment", "mixup"]) == 0
    sheet = opened("sheet.png")
    assert sheet.shape == (2 * 112 + 2, 2 * 112 + 2)
    np.testing.assert_array_equal(sheet[:112:4, :112:4], first)
    assert (sheet[:112:4, 114::4] != first).any()


def test_the_same_seed_gives_the_same_sheet(capsys):
    picture("a.png", (50, 50, 3))
    for out, seed in (("1.png", "0"), ("2.png", "0"), ("3.png", "1")):
        assert run(["augment", "a.png", "--out", out, "--seed", seed]) == 0
    first, second, other = (Path(name).read_bytes() for name in ("1.png", "2.png", "3.png"))
    assert first == second != other


@pytest.mark.parametrize(("arguments", "words"), [
    (["a.png"], "--out"), (["gone.png", "--out", "s.png"], "no file gone.png"),
    ([".", "--out", "s.png"], "is a folder"),
    (["a.png", "b.png", "--out", "s.png"], "differ in size (10 x 10, 20 x 20); give --size"),
    (["a.png", "--out", "s.txt"], "--out s.txt"), (["a.png", "--out", "no/s.png"], "no/s.png"),
    (["a.png", "--out", "s.png", "--augment", "flop"],
     "--augment: there is no transform 'flop'; did you mean 'flip'"),
])
def test_a_mistake_gets_one_line(capsys, arguments, words):
    picture("a.png", (20, 20, 3))
    picture("b.png", (10, 10, 3))
    assert run(["augment", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


def test_images_of_different_sizes_are_resized_where_asked_for(capsys):
    picture("a.png", (20, 20, 3))
    picture("b.png", (10, 30, 3))
    assert run(["augment", "a.png", "b.png", "--out", "s.png", "--size", "96", "--variants", "2"]) == 0
    with Image.open("s.png") as sheet:
        assert sheet.size == (3 * 96 + 4, 2 * 96 + 2)


def test_train_changes_what_it_learns_from_and_notes_how(capsys):
    for name in ("plain", "flipped", "again"):
        more = [] if name == "plain" else ["--augment", "flip,crop=1"]
        assert run(["train", "digits", "--epochs", "1", "--out", name, *more]) == 0
    plain, flipped, repeated = (Path(f"{name}.safetensors").read_bytes()
                                for name in ("plain", "flipped", "again"))
    assert flipped == repeated != plain
    assert read_settings("flipped.safetensors")["training"]["augment"] == "flip,crop=1"
    assert "augment" not in read_settings("plain.safetensors")["training"]


@pytest.mark.parametrize(("spec", "words"),
                         [("flpi", "--augment: there is no transform"), ("flip=3", "--augment: 'flip=3'")])
def test_train_refuses_a_mistake_before_it_loads_anything(capsys, spec, words):
    assert run(["train", "no such data", "--augment", spec]) == 2
    assert words in capsys.readouterr().err


def test_the_configuration_has_it_and_resume_asks_for_it(capsys):
    from pressing import at_batch

    assert run(["train", "digits", "--augment", "flip,rotate=5", "--export-config"]) == 0
    text = capsys.readouterr().out
    assert 'augment = "flip,rotate=5"' in text.splitlines()
    Path("run.toml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        at_batch(patch, 10, times=1)
        assert run(["train", "--config", "run.toml", "--epochs", "1", "--out", "net"]) == 0
    assert run(["train", "digits", "--augment", "flip", "--epochs", "1", "--out", "net", "--resume"]) == 2
    assert "has augment = flip,rotate=5, and this command flip" in capsys.readouterr().err
    assert run(["train", "--config", "run.toml", "--epochs", "1", "--out", "net", "--resume"]) == 0
    assert run(["train", "--config", "run.toml", "--epochs", "1", "--out", "whole"]) == 0
    assert Path("net.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()
