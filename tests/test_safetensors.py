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


def retyped(path, dtype):
    """Write the weights in another dtype, as a file of an older cnnkit, whose settings have no checksum."""
    settings(lambda s: s.pop("sha256", None))(path)
    arrays = {name: cnnkit.Tensor(value.numpy().astype(dtype)) for name, value in safetensors.load_file(path).items()}
    safetensors.save_file(arrays, path)


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
    (settings(lambda s: s["config"].update(classes=7)), "names 3 classes for a model with 7"),
    (settings(lambda s: s["config"].update(classes=10**9)), "names 3 classes for a model with 1000000000"),
    (settings(lambda s: s["config"].update(hidden=[10**12])), "net.json describes a model that is too large"),
    (settings(lambda s: s["config"].update(hidden=[5])), "does not fit .*net.json: the file has no classifier.fc2.bias"),
    (settings(lambda s: s["config"].update(conv=[[5, 3]])), r"does not fit .*\(4, 1, 3, 3\), in the model float32 \(5, 1, 3, 3\)"),
    (settings(lambda s: s["config"].update(conv=5)), "net.json describes no model"),
    (settings(lambda s: s["config"].pop("input_shape")), "net.json describes no model"),
    (settings(lambda s: s.update(config=None)), "holds no settings .*config must hold"),
    (settings(lambda s: s.update(classes=None)), "holds no settings .*classes must be a list of names"),
    (settings(lambda s: s.update(classes=[1, 2, 3])), "holds no settings .*classes must be a list of names"),
    (settings(lambda s: s.update(model=["CNN"])), "holds no settings .*model must be a name"),
    (lambda p: p.with_suffix(".json").write_text("[" * 100000), "holds no settings"),
    (weights(lambda b: b[:-3] + bytes([b[-3] ^ 1]) + b[-2:]), r"net.safetensors is not the file that .*net.json was saved with"),
    (lambda p: retyped(p, np.int32), "is int32 .* in the model float32"),
    (lambda p: retyped(p, np.float16), "is float16 .* in the model float32"),
    (settings(lambda s: s.update(classes=["a"])), "names 1 classes"),
    (settings(lambda s: s["config"].update(colour="red")), "colour"),
])
def test_a_damaged_file_is_refused_by_name(saved, damage, message):
    damage(saved[1])
    with pytest.raises((ValueError, TypeError), match=message):
        safetensors.load_model(saved[1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_finite_numbers_are_refused_by_name(saved, bad):
    model, path = saved
    state = model.state_dict()
    broken = state["classifier.fc1.bias"].numpy().copy()
    broken[1] = bad
    model.load_state_dict({**state, "classifier.fc1.bias": broken})
    safetensors.save_model(model, path, ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"net.safetensors: the weights classifier.fc1.bias hold NaN or infinity"):
        safetensors.load_model(path)


def test_settings_of_before_the_checksum_are_read(saved):
    settings(lambda s: s.pop("sha256"))(saved[1])
    assert safetensors.load_model(saved[1]).classes == ["a", "b", "c"]


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


def test_a_class_of_ones_own_is_not_taken_for_cnnkits_by_its_name(tmp_path):
    class CNN(nn.Sequential):
        config = {"classes": 3}

    with pytest.raises(TypeError, match="can rebuild CNN, CommonCNN; for a CNN keep the code"):
        safetensors.save_model(CNN(nn.Linear(3, 3)), tmp_path / "net")
