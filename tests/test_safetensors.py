"""Saved models: they come back as they were, and a damaged file is refused by name."""

import json

import numpy as np
import pytest

import cnnkit
from cnnkit import models, nn, safetensors


@pytest.fixture
def saved(tmp_path):
    model = models.CNN((1, 8, 8), conv=[(4, 3)], hidden=[], classes=3, batch_norm=True)
    return model, safetensors.save_model(model, tmp_path / "deep" / "net", ["a", "b", "c"], accuracy=0.5)


def test_a_saved_model_gives_the_same_scores(saved):
    model, path = saved
    x = cnnkit.tensor(np.random.default_rng(0).random((2, 1, 8, 8), np.float32))
    back = safetensors.load_model(path)
    np.testing.assert_array_equal(back.model(x).numpy(), model.eval()(x).numpy())
    assert (back.classes, back.input_shape, back.settings["accuracy"]) == (["a", "b", "c"], (1, 8, 8), 0.5)
    assert not back.model.training


def test_the_ending_may_be_left_out(saved):
    assert safetensors.load_model(saved[1].with_suffix("")).classes == ["a", "b", "c"]


def test_a_model_is_loaded_onto_the_backend_in_use(saved):
    pytest.importorskip("array_api_strict")
    with cnnkit.use("array-api-strict"):
        assert {p.backend for p in safetensors.load_model(saved[1]).model.parameters()} == {"array-api-strict"}


def test_pytorch_reads_what_was_saved(saved):
    torch_files = pytest.importorskip("safetensors.torch")
    pytest.importorskip("torch")
    back = torch_files.load_file(saved[1])
    for name, value in saved[0].state_dict().items():
        np.testing.assert_array_equal(back[name].numpy(), value.numpy())


def weights(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def settings(change):
    def edit(path):
        beside = path.with_suffix(".json")
        content = json.loads(beside.read_text())
        change(content)
        beside.write_text(json.dumps(content))
    return edit


@pytest.mark.parametrize(("damage", "message"), [
    (weights(lambda b: b[:-7]), "no whole safetensors file"),
    (weights(lambda b: b""), "no whole safetensors file"),
    (weights(lambda b: b"PK\x03\x04" + b[4:]), "no whole safetensors file"),
    (weights(lambda b: b"\xff" * 100), "no whole safetensors file"),
    (lambda p: p.with_suffix(".json").write_text("{"), "holds no settings"),
    (lambda p: p.with_suffix(".json").write_text("[1]"), "holds no settings"),
    (settings(lambda s: s.pop("config")), "holds no settings"),
    (settings(lambda s: s.update(format=99)), "format 99"),
    (settings(lambda s: s.update(model="os.system")), "os.system"),
    (settings(lambda s: s["config"].update(classes=7)), "does not fit"),
    (settings(lambda s: s.update(classes=["a"])), "names 1 classes"),
    (settings(lambda s: s["config"].update(colour="red")), "colour"),
])
def test_a_damaged_file_is_refused_by_name(saved, damage, message):
    damage(saved[1])
    with pytest.raises((ValueError, TypeError), match=message):
        safetensors.load_model(saved[1])


@pytest.mark.parametrize("missing", [".safetensors", ".json"])
def test_a_missing_file_is_named(saved, missing):
    saved[1].with_suffix(missing).unlink()
    with pytest.raises(FileNotFoundError, match=rf"net\{missing}"):
        safetensors.load_model(saved[1])


def test_a_model_that_cannot_be_rebuilt_is_not_saved_as_one(tmp_path):
    with pytest.raises(TypeError, match="save_file"):
        safetensors.save_model(nn.Linear(1, 1), tmp_path / "x")


def test_an_interrupted_write_leaves_the_old_file_and_no_litter(saved, monkeypatch):
    before = saved[1].read_bytes()

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        safetensors.save_model(saved[0], saved[1])
    assert saved[1].read_bytes() == before
    assert sorted(p.name for p in saved[1].parent.iterdir()) == ["net.json", "net.safetensors"]


def test_layouts_other_than_c_order_are_saved_right(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    path = safetensors.save_file({"x": cnnkit.Tensor(array)}, tmp_path / "x.safetensors")
    np.testing.assert_array_equal(safetensors.load_file(path)["x"].numpy(), array)
