"""`cnnkit predict` and `cnnkit evaluate`: what a saved model makes of images, in words and as JSON."""

import json

import numpy as np
import pytest
from PIL import Image

import cnnkit
from cnnkit import models, train
from cnnkit.cli import run
from cnnkit.data import ArrayDataset, Preprocessing, datasets, transforms

SCALE = transforms.Normalize(0.3, 0.2)


@pytest.fixture
def pictures():
    digits, names = datasets.digits(train=False), ["a.png", "b.png"]
    for i, name in enumerate(names):
        Image.fromarray((digits.data[i, 0] * 255).astype(np.uint8)).save(name)
    return names


def test_predict_shows_the_most_probable_classes(trained, capsys, pictures):
    assert run(["predict", str(trained[0]), *pictures, "--top-k", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert len(lines) == 6
    assert [line.split()[0] for line in lines[::3]] == pictures
    values = [float(line.split()[-1]) for line in lines[:3]]
    assert values == sorted(values, reverse=True)


def test_predict_shows_every_probability(trained, capsys, pictures):
    assert run(["predict", str(trained[0]), pictures[0], "--probabilities"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert sorted(line.split()[-2] for line in lines) == list("0123456789")
    assert sum(float(line.split()[-1]) for line in lines) == pytest.approx(1, abs=1e-3)


def test_pictures_are_normalised_as_in_training(tmp_path, capsys, pictures):
    digits = datasets.digits(train=False, transform=transforms.Compose([transforms.ToTensor(), SCALE]))
    rows = (digits.data * 255).astype(np.uint8)
    model = models.CommonCNN((1, 8, 8))
    train.fit(model, ArrayDataset(rows, digits.targets, 10, digits.transform), progress=False)
    path = models.save_model(model, tmp_path / "net")
    assert run(["predict", str(path), *pictures, "--json", "--probabilities"]) == 0
    found = json.loads(capsys.readouterr().out)
    probabilities = [list(row["probabilities"].values()) for row in found]
    expected = train.predict_proba(model, rows[:2]).numpy()
    np.testing.assert_allclose(probabilities, expected, rtol=1e-4, atol=1e-6)
    assert run(["evaluate", str(path), "digits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["loss"] == pytest.approx(train.evaluate(model, digits).loss)


def test_pictures_of_any_size_are_resized_and_cut_out_as_in_training(tmp_path, capsys):
    photographs = np.random.default_rng(0).integers(0, 256, (4, 30, 20, 3), np.uint8)
    prepare = Preprocessing(10, (8, 8), (120.0, 110.0, 100.0), (50.0,) * 3, "BGR", 255)
    model = models.CommonCNN((3, 8, 8), classes=2)
    train.fit(model, ArrayDataset(photographs, [0, 1, 0, 1], 2, prepare), progress=False)
    names = [f"{index}.png" for index in range(4)]
    for name, photograph in zip(names, photographs):
        Image.fromarray(photograph).save(tmp_path / name)
    path = models.save_model(model, tmp_path / "net")
    assert run(["predict", str(path), *names, "--json", "--probabilities"]) == 0
    found = [list(row["probabilities"].values()) for row in json.loads(capsys.readouterr().out)]
    expected = train.predict_proba(model, np.stack([prepare(name) for name in names])).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_predict_prints_json(trained, capsys, pictures):
    assert run(["predict", str(trained[0]), *pictures, "--json", "--top-k", "2", "--probabilities"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["image"] for row in found] == pictures
    for row in found:
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        assert row["probability"] == max(row["probabilities"].values()) == row["top"][0]["probability"]
        assert (row["class"], len(row["top"])) == (row["top"][0]["class"], 2)
    assert run(["predict", str(trained[0]), pictures[0], "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)[0]) == ["image", "class", "probability", "top"]


def test_evaluate_prints_figures_by_class_and_the_confusion_matrix(trained, capsys):
    assert run(["evaluate", str(trained[0]), "digits", "--top-k", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    accuracy = cnnkit.models.read_settings(trained[0])["accuracy"]
    assert lines[0].startswith(f"359 images of digits: accuracy {accuracy:.4f}, top-2 accuracy 0.9")
    assert lines[1].split() == ["class", "precision", "recall", "F1", "images"]
    assert len(lines) == 1 + 1 + 11 + 1 + 10
    counts = [[0 if word == "." else int(word) for word in line.split()[1:]] for line in lines[14:]]
    assert np.sum(counts) == 359
    assert np.trace(counts) / 359 == accuracy


def test_evaluate_prints_json(trained, capsys):
    assert run(["evaluate", str(trained[0]), "digits", "--json", "--top-k", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert np.trace(found["confusion_matrix"]) / found["images"] == found["accuracy"] < found["top_3"]
    assert [row["class"] for row in found["classes"]] == list("0123456789")
    assert np.mean([row["f1"] for row in found["classes"]]) == pytest.approx(found["f1"])


def test_evaluate_says_by_its_status_whether_a_model_is_good_enough(trained):
    assert run(["evaluate", str(trained[0]), "digits", "--min-accuracy", "0.5"]) == 0
    assert run(["evaluate", str(trained[0]), "digits", "--min-accuracy", "1"]) == 1


def test_evaluate_reads_a_folder_as_the_model_takes_it(capsys, elsewhere):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "emu"):
        (elsewhere / "pets" / name).mkdir(parents=True)
        for i in range(5):
            image = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8))
            image.save(elsewhere / "pets" / name / f"{i}.png")
    assert run(["train", "pets", "--size", "8", "--epochs", "1", "--out", "net"]) == 0
    assert run(["evaluate", "net", "pets", "--json"]) == 0
    found = json.loads(capsys.readouterr().out[-3000:].split("net.safetensors\n")[1])
    assert (found["images"], found["part"]) == (3, "held-out part")
    Image.new("RGB", (8, 8)).save(elsewhere / "pets" / "x.png")
    (elsewhere / "pets" / "fox").mkdir()
    Image.new("RGB", (8, 8)).save(elsewhere / "pets" / "fox" / "0.png")
    assert run(["evaluate", "net", "pets"]) == 2
    assert ("the classes of pets are cat, dog, emu, fox; those of net are cat, dog, emu"
            in capsys.readouterr().err)


def test_many_classes_get_their_most_frequent_mistakes(capsys):
    rng = np.random.default_rng(0)
    np.savez("many.npz", x=rng.integers(0, 256, (60, 8, 8), np.uint8), y=np.arange(60) % 30)
    assert run(["train", "many.npz", "--epochs", "1", "--out", "net"]) == 0
    capsys.readouterr()
    assert run(["evaluate", "net", "many.npz"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[33].split() == ["true", "class", "predicted", "images"]
    assert 1 <= len(lines[34:]) <= 10


@pytest.mark.parametrize(("arguments", "words"), [
    (["predict", "MODEL", "x.png", "--top-k", "11"], ["--top-k 11", "the model has 10 classes"]),
    (["evaluate", "MODEL", "digits", "--top-k", "11"], ["--top-k 11"]),
    (["evaluate", "MODEL", "other.npz"], ["the images of other.npz are 1 x 9 x 9", "takes 1 x 8 x 8"]),
    (["evaluate", "MODEL", "nothing"], ["no data 'nothing'"]),
    (["evaluate", "gone", "digits"], ["no file gone.safetensors"]),
    (["evaluate", "MODEL", "digits", "--min-accuracy", "2"], ["--min-accuracy"]),
])
def test_a_mistake_gets_one_readable_line_and_status_2(trained, capsys, arguments, words):
    np.savez("other.npz", x=np.zeros((20, 9, 9), np.uint8), y=np.arange(20) % 10)
    assert run([str(trained[0]) if word == "MODEL" else word for word in arguments]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    for word in words:
        assert word in error
    assert cnnkit.backends.current().name == "numpy"


def test_a_model_of_sixteen_bits_is_run_in_float32(trained, capsys, pictures):
    saved = models.load_model(trained[0])
    models.save_model(saved.model.to(dtype="float16"), "half", saved.classes, input_shape=saved.input_shape)
    assert run(["predict", "half", *pictures]) == 0
    assert run(["evaluate", "half", "digits", "--json"]) == 0
    assert run(["explain", "half"]) == 0
    assert "float32" in capsys.readouterr().out
