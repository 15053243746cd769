"""The registry of models: classes named by hand or by entry points, and what cannot be imported."""

import importlib.metadata
import sys

import pytest

import cnnkit
from cnnkit import models, nn
from cnnkit.models import registry


@pytest.fixture(autouse=True)
def clean_registry(monkeypatch):
    """Registrations made in a test end with it."""
    monkeypatch.setattr(registry, "_kinds", registry._kinds.copy())


class Net(nn.Module):
    """A class of one's own."""

    def __init__(self, width=2):
        super().__init__()
        self.config = {"width": width}
        self.fc = nn.Linear(4, width)


def row(name):
    return next((row for row in models.list() if row.name == name), None)


def test_a_registered_class_is_listed_and_built():
    assert row("Net") is None
    assert models.register(Net) is Net
    assert row("Net") == models.ModelInfo("Net", f"{__name__}:Net", ("width",))
    model = models.build("Net", {"width": 3})
    assert (type(model), model.fc.weight.shape) == (Net, (3, 4))
    assert isinstance(model, models.Configurable)


def test_register_is_a_decorator_with_and_without_a_name():
    @models.register
    class Plain(Net):
        pass

    @models.register(name="named")
    class Other(Net):
        pass

    assert (models.get("Plain"), models.get("named")) == (Plain, Other)
    with pytest.raises(ValueError, match="no model 'Other'"):
        models.get("Other")


def test_a_class_defined_again_replaces_the_old_one_and_another_class_does_not():
    def define():
        class Again(Net):
            pass
        return models.register(Again)

    first, second = define(), define()
    assert models.get("Again") is second is not first
    assert registry.name_of(first) == "Again"  # a model of the old class can still be saved
    message = rf"'CNN' is taken by cnnkit\.models\.cnn:CNN; register {__name__}:Net by another"
    with pytest.raises(ValueError, match=message):
        models.register(Net, name="CNN")
    assert models.get("CNN") is models.CNN


def test_the_name_of_a_ready_made_network_is_taken_before_anybody_asked_for_it():
    with pytest.raises(ValueError, match=r"'resnet18' is taken by cnnkit\.models\.families\.resnet:resnet18"):
        models.register(Net, name="resnet18")


def test_a_function_is_registered_and_its_models_are_saved_under_its_name(tmp_path):
    @models.register
    def wide_net(width=7):
        return nn.Sequential(nn.Linear(4, width))

    model = wide_net(3)
    assert row("wide_net").arguments == ("width",)
    saved = models.load_model(models.save_model(model, tmp_path / "net"))
    assert (saved.settings["model"], saved.settings["config"]) == ("wide_net", {"width": 3})
    assert saved.model[0].weight.shape == (3, 4)


def test_a_function_that_makes_models_can_be_an_entry_point(installed):
    installed("made", "cnnkit.models.families.lenet:lenet5")
    assert row("made").arguments == models.registry.arguments_of(models.lenet5)


@pytest.mark.parametrize("thing", [Net(), lambda: Net(2), dict, "Net"])
def test_what_is_no_class_of_modules_is_refused(thing):
    with pytest.raises(TypeError, match=r"takes a class derived from cnnkit\.nn\.Module"):
        models.register(thing)


def test_a_model_is_built_on_the_backend_that_is_named_whatever_its_constructor_takes():
    pytest.importorskip("array_api_strict")
    models.register(Net)
    for name, config in (("Net", {}), ("CommonCNN", {"input_shape": [1, 8, 8]})):
        built = models.build(name, config, backend="array-api-strict")
        assert {p.backend for p in built.parameters()} == {"array-api-strict"}
    assert cnnkit.tensor([1.0]).backend == "numpy"


def test_a_constructor_with_open_keywords_takes_any_config():
    @models.register
    class Open(Net):
        def __init__(self, *, width=2, **more):
            super().__init__(width)
            self.more = more

    assert models.build("Open", {"width": 1, "depth": 5}).more == {"depth": 5}
    assert row("Open").arguments == ("width",)


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A package that ships models and is installed: its entry points are those that a test adds."""
    (tmp_path / "shipped_nets.py").write_text("""
from cnnkit import nn
class Shipped(nn.Module):
    def __init__(self, width=2):
        super().__init__()
        self.config = {"width": width}
        self.fc = nn.Linear(4, width)
""")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shipped_nets", raising=False)
    entries, real = [], importlib.metadata.entry_points
    monkeypatch.setattr(importlib.metadata, "entry_points",
                        lambda group: [*real(group=group), *(e for e in entries if e.group == group)])
    yield lambda name, value: entries.append(importlib.metadata.EntryPoint(name, value, "cnnkit.models"))
    sys.modules.pop("shipped_nets", None)


def test_an_installed_packages_class_is_imported_when_its_name_is_requested(installed):
    installed("shipped", "shipped_nets:Shipped")
    models.build("CommonCNN", {"input_shape": [1, 8, 8]})
    assert "shipped_nets" not in sys.modules
    assert models.build("shipped", {"width": 5}).fc.weight.shape == (5, 4)
    assert row("shipped").kind == "shipped_nets:Shipped"


def test_an_installed_packages_model_can_be_saved_before_its_name_was_ever_requested(installed, tmp_path):
    installed("shipped", "shipped_nets:Shipped")
    from shipped_nets import Shipped

    path = models.save_model(Shipped(3), tmp_path / "net")
    assert type(models.load_model(path).model) is Shipped


@pytest.mark.parametrize(("value", "reason"), [
    ("no_such_module:Net", "No module named 'no_such_module'"),
    ("cnnkit.models:NoNet", "no attribute 'NoNet'"),
    ("cnnkit:__version__", "it must name a class derived")])
def test_a_broken_package_is_listed_with_the_reason_and_breaks_nothing(installed, value, reason):
    installed("broken", value)
    listed = row("broken")
    assert (listed.available, listed.kind) == (False, value)
    assert reason in listed.reason
    with pytest.raises(ValueError, match=r"the model 'broken' .* could not be imported"):
        models.get("broken")
    assert models.get("CNN") is models.CNN
