"""``cnnkit export``: models by name and from a file."""

import json

import numpy as np
import pytest

import cnnkit
from cnnkit import models
from cnnkit.cli import run

pytest.importorskip("ndonnx")
onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

SMALL = ["export", "CNN", "out/m.onnx", "--input-shape", "1,8,8", "--classes", "3"]


def test_a_model_by_name_is_written_for_any_number_of_images(capsys, elsewhere):
    assert run(SMALL) == 0
    made = onnx.load("out/m.onnx")
    size = (elsewhere / "out" / "m.onnx").stat().st_size
    assert capsys.readouterr().out == f"out/m.onnx: {len(made.graph.node)} nodes, opset 17, {size:,} bytes\n"
    session = runtime.InferenceSession("out/m.onnx")
    assert session.run(None, {"input": np.zeros((5, 1, 8, 8), np.float32)})[0].shape == (5, 3)


def test_a_batch_an_opset_and_folding(capsys):
    assert run([*SMALL, "--batch", "4", "--opset", "20", "--fold-batch-norm"]) == 0
    made = onnx.load("out/m.onnx")
    assert made.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4
    assert "opset 20" in capsys.readouterr().out


def test_a_saved_model_takes_what_it_has_learnt_from_along(trained):
    assert run(["export", str(trained[0]), "digits.onnx"]) == 0
    made = onnx.load("digits.onnx")
    learnt = json.loads({entry.key: entry.value for entry in made.metadata_props}["cnnkit.input_format"])
    assert (learnt["shape"], learnt["classes"][:3]) == ([1, 8, 8], ["0", "1", "2"])
    saved = models.load_model(trained[0])
    images = np.random.default_rng(0).random((3, 1, 8, 8)).astype(np.float32)
    got, = runtime.InferenceSession("digits.onnx").run(None, {"input": images})
    with cnnkit.no_grad():
        np.testing.assert_allclose(got, saved.model(cnnkit.tensor(images)).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("arguments", "words"), [
    (["export", "CNN", "m.onnx", "--opset", "3"], "opset=3: export() writes opsets 17 to"),
    (["export", "nothing", "m.onnx"], "nothing is neither a saved model's file nor one of")])
def test_a_mistake_is_one_line(arguments, words, capsys, elsewhere):
    assert run(arguments) == 2
    assert words in capsys.readouterr().err
    assert not (elsewhere / "m.onnx").exists()
