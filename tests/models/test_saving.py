"""Saved models: they come back as they were, whatever their class, and a damaged file is refused by name."""


import numpy as np
import pytest
from power_cut import Disk, lay_out

import cnnkit
from cnnkit import conformance, models, nn, safetensors, train
from cnnkit.backends import dtype_name
from cnnkit.data import ArrayDataset, transforms
from cnnkit.models import bundle, registry
from cnnkit.storage import FormatError


@pytest.fixture
def saved(tmp_path):
    model = models.CNN((1, 8, 8), conv=[(4, 3)], hidden=[], classes=3, batch_norm=True)
    return model, models.save_model(model, tmp_path / "deep" / "net", ["a", "b", "c"], accuracy=0.5)


def test_a_saved_model_gives_the_same_scores(saved):
    model, path = saved
    x = cnnkit.tensor(np.random.default_rng(0).random((2, 1, 8, 8), np.float32))
    back = models.load_model(path)
    np.testing.assert_array_equal(back.model(x).numpy(), model.eval()(x).numpy())
    assert (back.classes, back.input_shape, back.settings["accuracy"]) == (["a", "b", "c"], (1, 8, 8), 0.5)
    assert not back.model.training


def test_what_is_frozen_is_frozen_in_the_model_read_back(tmp_path):
    model = models.cifar_resnet20(width_mult=0.25)
    model.layer1.requires_grad_(False)
    model.layer1[0].bn1.keep_in_eval_mode()
    back = models.load_model(models.save_model(model, tmp_path / "net")).model
    assert {name for name, value in back.named_parameters() if not value.requires_grad} == {
        f"layer1.{name}" for name, _ in model.layer1.named_parameters()}
    back.train()
    assert (back.layer1[0].bn1.training, back.layer1[0].bn2.training) == (False, True)
    assert "frozen" not in models.load_model(
        models.save_model(models.cifar_resnet20(width_mult=0.25), tmp_path / "free")).settings


@pytest.mark.parametrize(("frozen", "error"), [
    (3, "not a list of names"), ({"parameters": ["a"]}, "not a list of names"),
    ({"parameters": [3], "layers": []}, "not a list of names"),
    ({"parameters": ["conv9.weight"], "layers": []}, "of another model: this CNN has no 'conv9.weight'"),
    ({"parameters": [], "layers": ["bn9"]}, "of another model: this CNN has no 'bn9'")])
def test_a_file_that_freezes_what_is_not_there_is_refused(saved, frozen, error):
    _, path = saved
    tensors, settings = bundle.read_bundle(path)
    bundle.write_bundle(path, tensors, {**settings, "frozen": frozen})
    with pytest.raises(FormatError, match=error):
        models.load_model(path)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_a_model_keeps_its_dtype(backend, dtype, tmp_path):
    model = models.CNN((1, 8, 8), conv=[(4, 3)], hidden=[], classes=3, batch_norm=True)
    if not backend.has(dtype):
        pytest.skip(f"{backend.name} has no {dtype}")
    path = models.save_model(model.to(dtype=dtype), tmp_path / "net")
    back = models.load_model(path).model.state_dict()
    assert {dtype_name(back[name].dtype) for name, _ in model.named_parameters()} == {dtype}
    for name, value in model.state_dict().items():
        assert back[name].dtype == value.dtype
        np.testing.assert_array_equal(back[name].numpy(), value.numpy())


def test_a_bfloat16_model_is_float32_where_there_is_no_bfloat16(tmp_path):
    pytest.importorskip("ml_dtypes")
    if (status := conformance.names()["emulator"]) is not True:
        pytest.skip(f"emulator: {status}")
    model = models.CNN((1, 8, 8), conv=[(4, 3)], hidden=[], classes=3).to("emulator", dtype="bfloat16")
    path = models.save_model(model, tmp_path / "net")
    with cnnkit.use("numpy"):
        back = models.load_model(path).model.state_dict()
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(back[name].numpy(), value.numpy().astype(np.float32))
        assert back[name].dtype == np.float32


def test_what_a_model_has_learnt_from_is_saved_and_repeated(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    normalise = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5, 0.4, 0.3), 0.2)])
    model = models.CNN((3, 8, 8), conv=[(4, 3)], hidden=[], classes=3)
    train.fit(model, ArrayDataset(images, [0, 1, 2] * 3, ["a", "b", "c"], normalise), progress=False)
    back = models.load_model(models.save_model(model, tmp_path / "net"))
    assert back.model.input_format == model.input_format
    assert back.classes == ["a", "b", "c"]  # the dataset's
    np.testing.assert_array_equal(train.predict_outputs(back.model, images).numpy(),
                                  train.predict_outputs(model, images).numpy())
    with pytest.raises(ValueError, match=r"from images of 3 channels, RGB.*convert\('RGB'\)"):
        train.predict(back.model, images[..., 0])


def test_a_model_that_does_not_say_its_input_shape_has_that_of_its_training(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_kinds", registry._kinds.copy())

    @models.register
    class Pooled(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.config = {}
    model = Pooled()
    train.fit(model, (np.zeros((4, 5, 6), np.uint8), [0, 1, 0, 1]), progress=False)
    assert models.load_model(models.save_model(model, tmp_path / "net")).input_shape == (1, 5, 6)


def test_a_damaged_input_format_is_refused_by_name(saved):
    settings(lambda content: content.update(input_format={"shape": [1]}))(saved[1])
    with pytest.raises(ValueError, match=r"net.safe.*: its input_format is no format of a network's inputs"):
        models.load_model(saved[1])


def test_the_ending_may_be_left_out(saved):
    assert models.load_model(saved[1].with_suffix("")).classes == ["a", "b", "c"]


def test_a_model_is_loaded_onto_the_backend_in_use(saved):
    pytest.importorskip("array_api_strict")
    with cnnkit.use("array-api-strict"):
        assert {p.backend for p in models.load_model(saved[1]).model.parameters()} == {"array-api-strict"}


def test_pytorch_reads_what_was_saved(saved):
    torch_files = pytest.importorskip("safetensors.torch")
    pytest.importorskip("torch")
    back = torch_files.load_file(saved[1])
    for name, value in saved[0].state_dict().items():
        np.testing.assert_array_equal(back[name].numpy(), value.numpy())


def weights(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def change_dtype(path, dtype):
    """Write the weights in another dtype, with a checksum that fits."""
    tensors = {name: cnnkit.Tensor(value.numpy().astype(dtype))
               for name, value in safetensors.load_file(path).items()}
    bundle.write_bundle(path, tensors, models.read_settings(path))


def settings(change):
    """Change the settings in the file's header."""
    def edit(path):
        tensors, content = bundle.read_bundle(path)
        change(content)
        bundle.write_bundle(path, tensors, content)
    return edit


def settings_text(text):
    """Put any text where the settings stand."""
    return lambda path: safetensors.save_file(safetensors.load_file(path), path, {"settings": text})


@pytest.mark.parametrize(("damage", "message"), [
    (weights(lambda b: b[:-7]), "no whole safetensors file"),
    (weights(lambda b: b""), "no whole safetensors file"),
    (weights(lambda b: b"PK\x03\x04" + b[4:]), "no whole safetensors file"),
    (weights(lambda b: b"\xff" * 100), "no whole safetensors file"),
    (settings_text("{"), "holds no settings"),
    (settings_text("[1]"), "holds no settings"),
    (settings(lambda s: s.pop("config")), "holds no settings"),
    (settings(lambda s: s.update(format=99)), "format 99"),
    (settings(lambda s: s.update(model="os.system")), "os.system"),
    (settings(lambda s: s["config"].update(classes=7)), "names 3 classes for a model with 7"),
    (settings(lambda s: s["config"].update(classes=10**9)), "names 3 classes for a model with 1000000000"),
    (settings(lambda s: s["config"].update(hidden=[10**12])), "a larger model than the file holds"),
    (settings(lambda s: s["config"].update(hidden=[5])),
     "net.safetensors do not fit its settings: the file has no classifier.fc2.bias"),
    (settings(lambda s: s["config"].update(conv=[[5, 3]])),
     r"do not fit .*\(4, 1, 3, 3\), in the model float32 \(5, 1, 3, 3\)"),
    (settings(lambda s: s["config"].update(conv=5)), "net.safetensors describes no model"),
    (settings(lambda s: s["config"].pop("input_shape")), "net.safetensors describes no model"),
    (settings(lambda s: s.update(config=None)), "holds no settings .*config must hold"),
    (settings(lambda s: s.update(classes=None)), "holds no settings .*classes must be a list of names"),
    (settings(lambda s: s.update(classes=[1, 2, 3])), "holds no settings .*classes must be a list of names"),
    (settings(lambda s: s.update(model=["CNN"])), "holds no settings .*model must be a name"),
    (settings_text("[" * 100000), "holds no settings"),
    (weights(lambda b: b[:-3] + bytes([b[-3] ^ 1]) + b[-2:]),
     "net.safetensors has been altered since it was saved"),
    (lambda p: change_dtype(p, np.int32), "is int32 .* in the model float32"),
    (settings(lambda s: s.update(classes=["a"])), "names 1 classes"),
    (settings(lambda s: s["config"].update(colour="red")), "colour"),
])
def test_a_damaged_file_is_refused_by_name(saved, damage, message):
    damage(saved[1])
    with pytest.raises((ValueError, TypeError), match=message):
        models.load_model(saved[1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_finite_numbers_are_refused_by_name(saved, bad):
    model, path = saved
    state = model.state_dict()
    broken = state["classifier.fc1.bias"].numpy().copy()
    broken[1] = bad
    model.load_state_dict({**state, "classifier.fc1.bias": broken})
    models.save_model(model, path, ["a", "b", "c"])
    with pytest.raises(ValueError,
                       match=r"net.safetensors: the weights classifier.fc1.bias hold NaN or infinity"):
        models.load_model(path)


def test_a_missing_file_is_named(saved):
    saved[1].unlink()
    with pytest.raises(FileNotFoundError, match=r"net\.safetensors \(a saved model\)"):
        models.load_model(saved[1])


def test_weights_alone_are_no_model_and_the_way_to_read_them_is_said(saved):
    safetensors.save_file(saved[0].state_dict(), saved[1])
    with pytest.raises(ValueError, match=r"holds weights alone, and no settings .*safetensors\.load_file"):
        models.load_model(saved[1])


def test_settings_are_read_without_the_weights(saved):
    content = saved[1].read_bytes()
    saved[1].write_bytes(content[:-100])
    assert models.read_settings(saved[1])["accuracy"] == 0.5
    saved[1].write_bytes(content[:100])
    with pytest.raises(ValueError, match=r"net.safetensors is no whole safetensors file"):
        models.read_settings(saved[1])


def test_a_power_cut_leaves_the_old_model_or_the_new_one(tmp_path, monkeypatch):
    models.save_model(models.CommonCNN((1, 8, 8), classes=2), tmp_path / "net", ["a", "b"])
    before = {"net.safetensors": (tmp_path / "net.safetensors").read_bytes()}
    disk = Disk(tmp_path)
    with monkeypatch.context() as patch:
        disk.everywhere(patch)
        models.save_model(models.CommonCNN((1, 8, 8), classes=3), tmp_path / "net", ["c", "d", "e"])
    disk.check(before)
    found = set()
    for number, state in enumerate(disk.states(before)):
        found.add(tuple(models.load_model(lay_out(state, tmp_path / str(number)) / "net").classes))
    assert found == {("a", "b"), ("c", "d", "e")}


def test_an_interrupted_write_leaves_the_old_file_and_no_litter(saved, monkeypatch):
    before = saved[1].read_bytes()

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        models.save_model(saved[0], saved[1])
    assert saved[1].read_bytes() == before
    assert sorted(p.name for p in saved[1].parent.iterdir()) == ["net.safetensors"]


@pytest.fixture
def registered(monkeypatch):
    """Registrations made in a test end with it."""
    monkeypatch.setattr(registry, "_kinds", registry._kinds.copy())


class Net(nn.Module):
    """A class of one's own; its constructor takes neither the shape of images nor classes."""

    def __init__(self, width, sides=(8, 8)):
        super().__init__()
        self.config = {"width": width, "sides": sides}
        self.fc = nn.Linear(sides[0] * sides[1], width)

    def forward(self, x):
        return self.fc(x.flatten(1))


class Classifier(Net):
    """A class whose config has both."""

    def __init__(self, input_shape, classes):
        super().__init__(classes)
        self.config = {"input_shape": input_shape, "classes": classes}


@pytest.mark.usefixtures("registered")
def test_a_model_of_ones_own_class_comes_back_as_it_was(tmp_path):
    models.register(Net)
    model, x = Net(np.int64(3)), cnnkit.tensor(np.random.default_rng(0).random((2, 1, 8, 8), np.float32))
    back = models.load_model(models.save_model(model, tmp_path / "net"))
    assert (type(back.model), back.model.config) == (Net, {"width": 3, "sides": [8, 8]})
    np.testing.assert_array_equal(back.model(x).numpy(), model(x).numpy())


@pytest.mark.usefixtures("registered")
def test_settings_say_what_is_known_of_images_and_classes(tmp_path):
    models.register(Net)
    models.register(Classifier)
    from_config = models.load_model(models.save_model(Classifier((1, 8, 8), 2), tmp_path / "config"))
    assert (from_config.input_shape, from_config.classes) == ((1, 8, 8), ["0", "1"])
    path = models.save_model(Net(2), tmp_path / "arguments", ["cat", "dog"], input_shape=(1, 8, 8))
    from_arguments = models.load_model(path)
    assert (from_arguments.input_shape, from_arguments.classes) == ((1, 8, 8), ["cat", "dog"])
    without = models.load_model(models.save_model(Net(2), tmp_path / "without"))
    for name, fix in (("input_shape", r"input_shape=\(C, H, W\)"), ("classes", r"classes=\[\.\.\.\]")):
        with pytest.raises(ValueError, match=rf"this Net .* {fix}.*Net\.config"):
            getattr(without, name)


def test_a_class_that_is_not_registered_is_named_with_both_ways_out(tmp_path):
    message = r"Linear is not: decorate it with @cnnkit\.models\.register, .*save_file"
    with pytest.raises(TypeError, match=message):
        models.save_model(nn.Linear(1, 1), tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_a_class_of_ones_own_is_not_mistaken_for_cnnkits_by_its_name(tmp_path):
    class CNN(nn.Sequential):
        config = {"input_shape": (1, 8, 8), "classes": 3}

    with pytest.raises(TypeError, match="whose class is registered, and CNN is not"):
        models.save_model(CNN(nn.Linear(3, 3)), tmp_path / "net")


@pytest.mark.usefixtures("registered")
def test_a_saved_class_that_is_not_registered_is_named_when_it_is_read(tmp_path):
    models.register(Net)
    path = models.save_model(Net(2), tmp_path / "net")
    del registry._kinds["Net"]
    with pytest.raises(ValueError, match=r"net.safe.* there is no model 'Net'; .*models.register\(MyNet\)"):
        models.load_model(path)


class Odd(nn.Module):
    def __init__(self, width=1):
        super().__init__()
        self.width = width


@pytest.mark.parametrize(("config", "error", "message"), [
    (None, TypeError, r"Odd\.config, .*self\.config = \{'width': width\}"),
    ([1], TypeError, r"Odd\.config, "),
    ({"depth": 1}, ValueError, r"Odd\.config has 'depth', .* takes width"),
    ({"width": {1, 2}}, TypeError, r"Odd\.config\['width'\] is \{1, 2\}"),
    ({"width": [0, {"a": nn}]}, TypeError, r"Odd\.config\['width'\]\[1\]\['a'\] is <module"),
    ({"width": {1: 2}}, TypeError, r"Odd\.config\['width'\] is \{1: 2\}")])
@pytest.mark.usefixtures("registered")
def test_a_config_that_makes_no_model_is_refused_before_anything_is_written(tmp_path, config, error, message):
    models.register(Odd)
    model = Odd()
    if config is not None:
        model.config = config
    with pytest.raises(error, match=message):
        models.save_model(model, tmp_path / "odd")
    assert not list(tmp_path.iterdir())


def test_names_of_more_classes_than_there_are_are_refused(tmp_path):
    with pytest.raises(ValueError, match="names of 3 classes for a CommonCNN with 2"):
        models.save_model(models.CommonCNN((1, 8, 8), 2), tmp_path / "x", ["a", "b", "c"])


def test_a_file_that_names_a_function_does_not_run_it(saved, tmp_path):
    settings(lambda s: s.update(model="os:mkdir", config={"path": str(tmp_path / "made")}))(saved[1])
    with pytest.raises(ValueError, match="there is no model 'os:mkdir'"):
        models.load_model(saved[1])
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("shape", [[3, 10**6, 10**6], [3, 0, 8], [3, -8, 8]])
def test_images_of_a_size_that_nobody_has_are_not_asked_for(shape):
    model = models.SavedModel(nn.Linear(1, 1), {"config": {}, "classes": None, "input_shape": shape})
    with pytest.raises(ValueError, match=r"CNNKIT_LIMIT_IMAGE_PIXELS|do not say which images"):
        _ = model.input_shape
