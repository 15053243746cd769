"""Weights that others trained: found, checked, loaded, and with what they want of pictures."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import cnnkit
from cnnkit import data, models, nn, safetensors, train
from cnnkit.data import ArrayDataset, InputFormat, InputWarning, Preprocessing
from cnnkit.models import weights
from cnnkit.storage import FormatError

FOLDER = Path(os.environ.get("CNNKIT_DATA", "none")) / "weights"
needs_files = pytest.mark.skipif(not (FOLDER / "squeezenet1_1_bgr.safetensors").is_file(),
                                 reason="CNNKIT_DATA names no folder with weights/")
NAMES = ["squeezenet1_1", "squeezenet1_1_bgr", "cifar10_resnet20"]


class Tiny(nn.Module):
    """A network that an entry is made for."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
        self.fc = nn.Linear(2, 2)

    def forward(self, x):
        return self.fc(self.features(x).mean(dim=(2, 3)))


@pytest.fixture
def entry(tmp_path, monkeypatch):
    """An entry of a file that is in the folder, and the state that it was made from."""
    monkeypatch.setenv("CNNKIT_DATA", str(tmp_path))
    (tmp_path / "weights").mkdir()
    state = Tiny().state_dict()
    old = {name.replace("features.0", "conv1"): value for name, value in state.items()}
    path = safetensors.save_file(old, tmp_path / "weights" / "tiny.safetensors")
    known = {"architecture": "tiny", "file": "tiny.safetensors", "url": "https://example.org",
             "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "licence": "MIT", "accuracy": {},
             "accuracy_source": "none", "parameters": 18, "keys": ((r"^conv1\.", "features.0."),),
             "preprocessing": Preprocessing(10, (8, 8), (100.0,) * 3, (50.0,) * 3, "RGB", 255),
             "class_names_of": "cifar10", "input_shape": (3, 8, 8)}
    monkeypatch.setitem(weights.KNOWN, "tiny", known)
    return weights.get("tiny"), state


def test_every_entry_has_its_facts():
    assert [row.name for row in weights.list()] == NAMES
    for row in weights.list():
        assert len(row.sha256) == 64
        assert row.url.startswith("https://")
        assert all((row.licence, row.accuracy, row.accuracy_source))
        assert row.input_format().shape == row.input_shape
        assert len(row.classes) == {"imagenet": 1000, "cifar10": 10}[row.class_names_of]


@needs_files
@pytest.mark.parametrize("name", NAMES)
def test_the_checksums_are_those_of_the_files(name):
    assert weights.get(name).path().parent == FOLDER


@needs_files
@pytest.mark.parametrize(("make", "given"), [
    ("squeezenet1_1", FOLDER / "squeezenet1_1_bgr.safetensors"), ("squeezenet1_1", "squeezenet1_1"),
    ("cifar_resnet20", "cifar10_resnet20"), *(pytest.param(*pair, marks=pytest.mark.heavy) for pair in (
        ("squeezenet1_1", "squeezenet1_1_bgr"), ("squeezenet1_1", "DEFAULT"),
        ("cifar_resnet20", str(FOLDER / "cifar10_resnet20.safetensors"))))])
def test_the_models_give_the_stored_scores(make, given):
    model = models.get(make)(weights=given).eval()
    file = "squeezenet1_1_bgr" if make == "squeezenet1_1" else "cifar10_resnet20"
    with np.load(FOLDER / f"{file}_check.npz") as check:
        x, expected = check["x"], check["logits"]
    if given in ("squeezenet1_1", "DEFAULT"):
        x = np.ascontiguousarray(x[:, ::-1])
    np.testing.assert_allclose(model(cnnkit.tensor(x)).detach().numpy(), expected, atol=1e-4, rtol=1e-4)
    assert isinstance(model.input_format, InputFormat)


@needs_files
@pytest.mark.parametrize(("photograph", "kinds"), [
    ("coffee", {"espresso"}), ("chelsea", {"tiger cat", "tabby", "Egyptian cat"}),
    ("rocket", {"missile", "projectile", "pole"})])
def test_photographs_are_of_what_they_show(photograph, kinds):
    images = pytest.importorskip("skimage.data")
    row = weights.get("squeezenet1_1")
    picture = row.preprocess(getattr(images, photograph)())
    scores = models.squeezenet1_1(weights=row).eval()(cnnkit.tensor(picture[None]))
    assert row.classes[scores.argmax().item()] in kinds


def test_an_entry_loads_by_its_own_names_and_says_what_it_wants(entry):
    row, state = entry
    for given in (row, "tiny", "DEFAULT", row.path(), str(row.path())):
        model = Tiny()
        assert weights.load_into(model, given).complete
        np.testing.assert_array_equal(model.features[0].weight.numpy(), state["features.0.weight"].numpy())
        assert model.input_format == row.input_format()


def test_filters_are_reversed_where_the_entry_says_so(entry, monkeypatch):
    _, state = entry
    monkeypatch.setitem(weights.KNOWN, "tiny", {**weights.KNOWN["tiny"], "reverse": "features.0.weight"})
    model = Tiny()
    weights.load_into(model, "tiny")
    np.testing.assert_array_equal(model.features[0].weight.numpy(),
                                  state["features.0.weight"].numpy()[:, ::-1])


def test_a_file_that_is_not_here_is_named_with_the_folder_it_belongs_to(entry, tmp_path, monkeypatch):
    row, _ = entry
    monkeypatch.setenv("CNNKIT_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(FileNotFoundError, match=r"put tiny\.safetensors .*example\.org.* elsewhere.weights|"
                                                r"into .*elsewhere.weights or .*cnnkit.weights"):
        row.path()


def test_another_file_of_that_name_is_refused(entry):
    row, _ = entry
    path = row.path()
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(FormatError, match=r"is not the file of the weights 'tiny'"):
        weights.load_into(Tiny(), "tiny")
    assert weights.load_into(Tiny(), path, strict=False).unexpected  # by its path it is any file


def test_what_is_no_entry_and_no_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="no weights 'imagenet'; there are squeezenet1_1, "):
        weights.load_into(Tiny(), "imagenet")
    with pytest.raises(ValueError, match="no weights for Tiny with 18 parameters; there are squeezenet1_1"):
        weights.load_into(Tiny(), "DEFAULT")
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
        weights.load_into(Tiny(), tmp_path / "none.safetensors")


def test_weights_that_do_not_fit_are_told(entry):
    with pytest.raises(RuntimeError, match=r"do not fit Linear: .* missing: weight, bias"):
        weights.load_into(nn.Linear(1, 1), "tiny")


@pytest.mark.parametrize("form", ["safetensors", "pt", "checkpoint"])
def test_files_of_several_devices_and_of_checkpoints_load(tmp_path, form):
    state = {f"module.{name}": value for name, value in Tiny().state_dict().items()}
    path = tmp_path / f"net.{form}"
    if form == "safetensors":
        safetensors.save_file(state, path)
    else:
        cnnkit.save(state if form == "pt" else {"epoch": 3, "state_dict": state, "best": None}, path)
    assert weights.load_into(Tiny(), path).complete


def test_a_file_without_a_state_is_told(tmp_path):
    cnnkit.save({"epoch": 3}, tmp_path / "x.pt")
    with pytest.raises(FormatError, match=r"x\.pt holds no state dict"):
        weights.load_into(Tiny(), tmp_path / "x.pt")


def test_training_on_pictures_normalises_them_as_the_weights_want_it(entry):
    model, pictures = Tiny(), np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8)
    weights.load_into(model, "tiny")
    seen = []
    model.features[0].register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].detach().numpy()))
    for _ in range(2):  # the second time the model has learnt already
        train.fit(model, (pictures, [0, 1] * 4), validation=(pictures, [0, 1] * 4), batch_size=8,
                  optimizer="sgd", progress=False)
        for batch in seen:
            assert -2.1 < batch.min() < -1.9 < 2.9 < batch.max() < 3.2
        seen.clear()
    assert (model.input_format.of_weights, model.input_format.mean) == (True, (100 / 255,) * 3)


def test_a_loader_of_pictures_that_are_not_normalised_is_told_of(entry):
    model = Tiny()
    weights.load_into(model, "tiny")
    pictures = ArrayDataset(np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8), [0, 1] * 4)
    with pytest.warns(InputWarning, match="normalise them as for training"):
        train.fit(model, data.DataLoader(pictures, 8), progress=False)


def test_the_folder_of_the_cache_is_searched_too(entry, tmp_path, monkeypatch):
    row, _ = entry
    monkeypatch.setenv("CNNKIT_DATA", "")
    monkeypatch.setattr("pooch.os_cache", lambda project: str(tmp_path / project))
    (tmp_path / "cnnkit").mkdir()
    shutil.move(tmp_path / "weights", tmp_path / "cnnkit" / "weights")
    assert row.path() == tmp_path / "cnnkit" / "weights" / "tiny.safetensors"
