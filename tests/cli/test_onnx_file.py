"""`cnnkit predict` and `cnnkit summary` of ONNX files."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx.helper", reason="needs onnx: pip install 'cnnkit[onnx]'")

from onnx_graphs import model, node

from cnnkit.cli import run


def classifier(shape=("n", 3, 8, 8), softmax=False, path="net.onnx", **metadata):
    """A file of a network that says which of the colours is brightest."""
    nodes = [node("GlobalAveragePool", ["x"], ["g"]), node("Flatten", ["g"], ["f"]),
             node("Gemm", ["f", "w"], ["s"])]
    proto = model([*nodes, node("Softmax" if softmax else "Identity", ["s"], ["y"])], {"x": shape},
                  w=np.eye(3, dtype=np.float32) * 4)
    for key, value in metadata.items():
        proto.metadata_props.add(key=f"cnnkit.{key}", value=json.dumps(value))
    Path(path).write_bytes(proto.SerializeToString())
    return path


@pytest.fixture
def green(elsewhere):
    Image.fromarray(np.full((20, 30, 3), (0, 255, 0), np.uint8)).save("green.png")
    return "green.png"


def predicted(capsys, *arguments):
    assert run(["predict", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)[0]


def test_predict_numbers_the_classes_that_the_file_does_not_name(green, capsys):
    found = predicted(capsys, classifier(), green)
    assert found["class"] == "1"
    assert found["probability"] == pytest.approx(np.exp(4) / (np.exp(4) + 2), abs=1e-5)


def test_predict_takes_probabilities_as_they_are(green, capsys):
    assert (predicted(capsys, classifier(softmax=True), green)["probability"]
            == pytest.approx(predicted(capsys, classifier(), green)["probability"], abs=1e-5))


def test_predict_takes_names_and_normalisation_from_the_file(green, capsys):
    learnt = {"shape": [3, 8, 8], "low": -1, "high": 1, "mean": [0, 1, 0], "std": [1, 1, 1],
              "classes": ["red", "green", "blue"]}
    found = predicted(capsys, classifier(input_format=learnt), green)
    assert found["class"] == "red"  # without its own, green is as dark as the others
    assert found["probability"] == pytest.approx(1 / 3, abs=1e-5)


def test_predict_normalises_as_it_is_told(green, capsys):
    found = predicted(capsys, classifier(), green, "--mean", "0,0.5,0", "--std", "0.25")
    assert found["probability"] == pytest.approx(np.exp(8) / (np.exp(8) + 2), abs=1e-5)


def test_predict_gives_a_graph_as_many_images_as_it_takes(green, capsys):
    Image.fromarray(np.full((8, 8, 3), (0, 0, 255), np.uint8)).save("blue.png")
    assert run(["predict", classifier((1, 3, 8, 8)), green, "blue.png"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[:2] for line in lines] == [[green, "1"], ["blue.png", "2"]]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--mean", "1,2"], "--mean 1,2: it takes one number, or one for each of 3 channels"),
    (["--std", "a"], "--std a: it takes numbers"), (["--top-k", "9"], "--top-k 9: the model has 3 classes")])
def test_predict_says_what_is_wrong(green, capsys, arguments, message):
    assert run(["predict", classifier(), green, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_model_that_classifies_no_images_is_refused(green, capsys):
    pixels = model([node("Relu", ["x"], ["y"])], {"x": ["n", 3, 8, 8]})
    Path("pixels.onnx").write_bytes(pixels.SerializeToString())
    assert run(["predict", "pixels.onnx", green]) == 2
    assert "gives one score for each class, (N, classes)" in capsys.readouterr().err
    two = model([node("Add", ["a", "b"], ["y"])], {"a": [1], "b": [1]})
    Path("two.onnx").write_bytes(two.SerializeToString())
    assert run(["summary", "two.onnx"]) == 2
    assert "takes a (1,), b (1,); this command is for models of one input" in capsys.readouterr().err


def test_summary_shows_each_node(elsewhere, capsys):
    assert run(["summary", classifier()]) == 0
    text = capsys.readouterr().out
    assert "OnnxModel on (3, 8, 8)" in text
    assert "GlobalAveragePool" in text
    assert "3 x 3 = 9" in text


def test_summary_takes_a_shape_that_the_file_leaves_open(elsewhere, capsys):
    path = classifier(("n", 3, "h", "w"))
    assert run(["summary", path]) == 0
    assert "OnnxModel on (3, 224, 224)" in capsys.readouterr().out
    assert run(["summary", path, "--input-shape", "3,16,16"]) == 0
    assert "OnnxModel on (3, 16, 16)" in capsys.readouterr().out
    assert run(["summary", path, "--input-shape", "1,16,16"]) == 2
    assert "takes images of 3 x ? x ?; leave the option out" in capsys.readouterr().err


def test_a_damaged_file_is_one_line(green, capsys):
    Path("bad.onnx").write_bytes(b"\x08\x07\x12")
    assert run(["predict", "bad.onnx", green]) == 2
    assert capsys.readouterr().err.startswith("cnnkit: bad.onnx: no ONNX model, or one that is cut off")
