"""Models of the user's own on the command line, their arguments, and the files that name them."""

from pathlib import Path

import pytest

from cnnkit.cli import run
from cnnkit.cli.architectures import built, settings
from cnnkit.models import read_settings, registry

NET = """
from cnnkit import functional as F, nn

class NAME(nn.Module):
    def __init__(self, num_classes=10, width=8):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, width, 3, padding=1), nn.Linear(width * 64, num_classes)

    def forward(self, x):
        return self.fc(F.relu(self.conv(x)).flatten(1))
"""


@pytest.fixture
def own(monkeypatch):
    """A module in the current folder, with a class that nothing has registered."""
    def write(name):
        Path(f"{name}.py").write_text(NET.replace("NAME", name.title()))
        return f"{name}:{name.title()}"
    kinds = dict(registry._kinds)
    yield write
    registry._kinds.clear()
    registry._kinds.update(kinds)


def test_a_class_of_ones_own_is_trained_saved_and_used(own, capsys):
    spec = own("trained_net")
    assert run(["train", "digits", "--model", spec, "--set", "width=4", "--epochs", "1", "--out", "net"]) == 0
    assert "Training trained_net:Trained_Net (2,610 parameters)" in capsys.readouterr().out
    saved = read_settings("net.safetensors")
    assert (saved["model"], saved["config"]) == ("Trained_Net", {"num_classes": 10, "width": 4})
    assert saved["input_shape"] == [1, 8, 8]
    assert run(["evaluate", "net", "digits", "--import", spec]) == 0
    registry._kinds.pop("Trained_Net")
    assert run(["evaluate", "net", "digits"]) == 2
    assert "on the command line --import MODULE:CLASS" in capsys.readouterr().err
    for command in (["evaluate", "net", "digits"], ["summary", "net"]):
        assert run([*command, "--import", spec]) == 0


def test_the_guides_network_with_other_settings_is_a_cnn():
    model = built("CommonCNN", (1, 8, 8), 3, {"dropout": 0.5})
    assert (type(model).__name__, model.config["dropout"], model.config["hidden"]) == ("CNN", 0.5, [128])
    assert type(built("CommonCNN", (1, 8, 8), 3, {})).__name__ == "CommonCNN"


@pytest.mark.parametrize(("arguments", "words"), [
    (["--set", "dropuot=1"], "--set dropuot=1: CommonCNN has no argument 'dropuot'"),
    (["--model", "CNN", "--set", "dropuot=1"], "CNN has no argument 'dropuot'; did you mean 'dropout'?"),
    (["--set", "dropout"], "--set dropout: it takes NAME=VALUE"),
    (["--set", "a=1", "--set", "a=2"], "a was given before, as 1"),
    (["--set", "conv=8"], "conv"),
    (["--model", "no_such_module:Net"], "the module 'no_such_module' could not be imported"),
    (["--model", "json:JSONDecodr"], "json has no class 'JSONDecodr'; did you mean 'JSONDecoder'?"),
    (["--model", "json:JSONDecoder"], "json:JSONDecoder: models.register takes a class derived from"),
    (["--class-weight", "balance"], "--class-weight balance: it takes balanced"),
    (["--on-error", "stop"], "--on-error stop: it takes skip or raise"),
])
def test_what_a_model_does_not_take_is_named_in_one_line(arguments, words, capsys):
    assert run(["train", "digits", "--epochs", "0", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


def test_values_are_json_or_text():
    assert settings(["a=true", "b=1e-3", "c=[1, 2]", "d=avg", "e=", "f-g=null"]) == {
        "a": True, "b": 0.001, "c": [1, 2], "d": "avg", "e": "", "f_g": None}


def test_a_ready_made_network_takes_the_channels_and_classes_of_the_images():
    model = built("cifar_resnet20", (1, 8, 8), 7, {"option": "B", "width_mult": 0.25})
    assert model.config == {"num_classes": 7, "option": "B", "in_channels": 1, "width_mult": 0.25}
    with pytest.raises(ValueError, match="cifar_resnet20 has no argument 'options'; did you mean 'option'"):
        built("cifar_resnet20", (1, 8, 8), 7, {"options": "B"})


def test_a_network_for_another_task_is_refused_before_it_is_made():
    with pytest.raises(ValueError, match="--model unet: it is for segmentation, and images in classes"):
        built("unet", (1, 8, 8), 7, {})


def test_googlenet_is_trained_without_its_other_outputs():
    model = built("googlenet", (1, 32, 32), 3, {"width_mult": 0.125})
    assert not model.config["aux_logits"]


def test_a_ready_made_network_is_trained_saved_and_summarised_by_its_name(capsys):
    words = ["train", "digits", "--model", "cifar_resnet20", "--set", "width_mult=0.125", "--epochs", "1"]
    assert run([*words, "--out", "net"]) == 0
    assert run(["summary", "net"]) == 0
    assert "Total parameters: 4456" in capsys.readouterr().out
    assert run(["summary", "lenet5"]) == 0
    assert "Total parameters: 61706" in capsys.readouterr().out
    assert run(["summary", "lenet5", "--classes", "4", "--input-shape", "3,28,28"]) == 0
    assert "(5 x 5 x 3) x 6 + 6 = 456" in capsys.readouterr().out
