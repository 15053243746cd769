"""The command line, as a person uses it: what it prints, where the model goes, and one line for a mistake."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import cnnkit
from cnnkit import backends
from cnnkit.cli import run


def test_train_shows_progress_accuracy_and_where_the_model_went(trained):
    path, text = trained
    lines = text.splitlines()
    assert lines[0].startswith("Training CommonCNN (")
    assert "1,438 images of 1 x 8 x 8, 359 held out, 10 classes" in lines[0]
    assert [line.split(",")[0] for line in lines[1:9]] == [f"Epoch {n}" for n in range(1, 9)]
    assert "Held-out accuracy 0.9" in lines[9]
    assert str(path) in lines[10]
    assert path.is_file()


def test_train_keeps_the_settings_beside_the_weights(trained):
    settings = cnnkit.models.read_settings(trained[0])
    assert settings["model"] == "CommonCNN"
    assert settings["training"]["seed"] == 0
    assert len(settings["history"]) == 8


def test_the_same_seed_trains_the_same_model(capsys):
    for out in ("a", "b"):
        assert run(["train", "digits", "--epochs", "1", "--seed", "5", "--out", out]) == 0
    with open("a.safetensors", "rb") as a, open("b.safetensors", "rb") as b:
        assert a.read() == b.read()


def test_without_out_the_model_goes_to_models(capsys, elsewhere):
    assert run(["train", "digits", "--epochs", "0"]) == 0
    assert (elsewhere / "models" / "digits-CommonCNN.safetensors").is_file()


def test_train_on_a_folder_of_class_folders(capsys, elsewhere):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (elsewhere / "pets" / name).mkdir(parents=True)
        for i in range(6):
            image = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8))
            image.save(elsewhere / "pets" / name / f"{i}.png")
    assert run(["train", "pets", "--epochs", "1", "--out", "pets"]) == 0
    assert "2 classes" in capsys.readouterr().out
    assert run(["predict", "pets.safetensors", "pets/cat/0.png"]) == 0
    assert "pets/cat/0.png" in capsys.readouterr().out


def test_train_on_an_npz_file(capsys):
    rng = np.random.default_rng(0)
    np.savez("set.npz", x=rng.integers(0, 256, (20, 8, 8), np.uint8), y=np.arange(20) % 2)
    assert run(["train", "set.npz", "--epochs", "1"]) == 0


def test_predict_names_the_class_and_its_probability(trained, capsys):
    digits = cnnkit.data.datasets.digits(train=False)
    names = []
    for i in range(5):
        names.append(f"{i}.png")
        Image.fromarray((digits.data[i, 0] * 255).astype(np.uint8)).save(names[-1])
    assert run(["predict", str(trained[0]), *names]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[0] for row in rows] == names
    right = sum(int(row[1]) == int(label) for row, label in zip(rows, digits.targets))
    assert right >= 4
    assert all(0 < float(row[2]) <= 1 for row in rows)


def test_predict_inverts_dark_on_light(trained, capsys):
    digits = cnnkit.data.datasets.digits(train=False)
    Image.fromarray((digits.data[0, 0] * 255).astype(np.uint8)).save("light.png")
    Image.fromarray(255 - (digits.data[0, 0] * 255).astype(np.uint8)).save("dark.png")
    assert run(["predict", str(trained[0]), "light.png"]) == 0
    assert run(["predict", str(trained[0]), "--invert", "dark.png"]) == 0
    rows = [line.split()[1:] for line in capsys.readouterr().out.splitlines() if line[:4] in ("ligh", "dark")]
    assert rows[0][0] == rows[1][0]


def test_summary_of_a_name_and_of_a_saved_model(trained, capsys):
    assert run(["summary", "CommonCNN"]) == 0
    assert "133882" in capsys.readouterr().out
    assert run(["summary", str(trained[0])]) == 0
    assert "(1, 8, 8)" in capsys.readouterr().out or "8 x 8" in capsys.readouterr().out


def test_show_writes_a_png_file(trained, capsys, elsewhere):
    from PIL import Image

    Image.new("L", (8, 8)).save(elsewhere / "seven.png")
    assert run(["show", str(trained[0]), "seven.png", "--out", "maps.png"]) == 0
    assert "Pictures written to maps.png" in capsys.readouterr().out
    with Image.open(elsewhere / "maps.png") as picture:
        assert picture.width == 1000


def test_show_sends_pixels_to_terminals_that_can_show_them(trained, capsys, elsewhere, monkeypatch):
    from PIL import Image

    from cnnkit.plot import terminal

    Image.new("L", (8, 8)).save(elsewhere / "seven.png")
    monkeypatch.setattr(terminal, "protocol", lambda: "sixel")
    assert run(["show", "sobel", "seven.png"]) == 0
    assert capsys.readouterr().out.startswith('\x1bP0;1;0q"1;1;1000;')
    assert run(["show", "sobel", "seven.png", "--characters"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_show_writes_a_png_file_to_a_pipe_and_not_to_a_terminal(capfdbinary, elsewhere, monkeypatch):
    import io
    import sys

    from PIL import Image

    Image.new("L", (8, 8)).save(elsewhere / "seven.png")
    assert run(["show", "sobel", "seven.png", "--out", "-"]) == 0
    assert Image.open(io.BytesIO(capfdbinary.readouterr().out)).width == 1000
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(["show", "sobel", "seven.png", "--out", "-"]) == 2
    assert b"a PNG file is not written to a terminal" in capfdbinary.readouterr().err


def test_show_draws_filters_and_feature_maps(trained, capsys):
    Image.fromarray((np.eye(16) * 255).astype(np.uint8)).save("line.png")
    for arguments in ([str(trained[0]), "line.png"], ["sobel", "line.png"]):
        assert run(["show", *arguments]) == 0
        assert len(capsys.readouterr().out) > 100


def test_backends_lists_numpy_with_its_version(capsys):
    assert run(["backends"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("numpy"))
    assert np.__version__ in line
    assert "yes" in line


def test_check_passes_for_numpy(capsys):
    assert run(["check", "numpy", "--op", "relu", "--verbose"]) == 0
    assert "relu" in capsys.readouterr().out


@pytest.mark.heavy
def test_check_names_the_kernels_of_a_third_partys_table_that_it_has_no_case_of(capsys):
    table = backends.KernelTable("third", "numpy",
                                 dict.fromkeys(("tiger", "look_up", ("relu", "tanh")), declines))
    backends.register_table(table)
    try:
        assert run(["check", "third"]) == 0
    finally:
        backends.register_table(remove="third")
    untested = [line for line in capsys.readouterr().out.splitlines() if line.startswith("untested: ")]
    assert untested == [f"untested: the tables have a kernel for {key}, and the kit has no case of it"
                        for key in ("tiger", "relu+tanh")]


def declines(*arrays, **settings):
    return NotImplemented


def test_version_and_help(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"cnnkit {cnnkit.__version__}\n"
    assert run(["--help"]) == 0
    assert "train" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "words"), [
    (["train"], ["Missing argument"]),
    (["trian", "digits"], ["No such command 'trian'"]),
    (["train", "digits", "--epoch", "3"], ["No such option", "--epochs"]),
    (["train", "digits", "--epochs", "-1"], ["--epochs"]),
    (["train", "digits", "--lr", "fast"], ["--lr"]),
    (["train", "digits", "--lr", "-1", "--epochs", "1"], ["--lr -1", "from 0 to 1000"]),
    (["train", "digits", "--lr", "inf"], ["--lr inf", "from 0 to 1000"]),
    (["train", "digits", "--lr", "1e30"], ["--lr 1e+30", "from 0 to 1000"]),
    (["train", "digits", "--size", "16"], ["--size", "digits"]),
    (["train", "digits", "--out", ""], ["--out", "names no file"]),
    (["train", "digits", "--out", "out/[/q]/.."], ["--out", "names no file"]),
    (["train", ""], ["there is no data ''"]),
    (["show", "sobel", "x.png", "--layer", "conv1"], ["--layer conv1", "sobel"]),
    (["train", "digits", "--backend", "cudda"], ["no backend 'cudda'", "numpy"]),
    (["train", "digits", "--model", "ResNet999"], ["no model 'ResNet999'", "CommonCNN"]),
    (["train", "digits", "--optimizer", "lbfgs"], ["no optimizer 'lbfgs'", "adam"]),
    (["train", "digts"], ["no data 'digts'", "Did you mean 'digits'"]),
    (["predict", "nothing.safetensors", "x.png"], ["nothing.safetensors", "cnnkit train"]),
    (["summary", "NoSuchModel"], ["NoSuchModel", "CommonCNN"]),
    (["summary", "CommonCNN", "--input-shape", "3,32"], ["C,H,W", "3,32"]),
    (["check", "cudda"], ["no backend 'cudda'"]),
])
def test_a_mistake_gets_one_readable_line_and_status_2(arguments, words, capsys):
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("cnnkit")
    assert len(printed.err.splitlines()) == 1
    for word in words:
        assert word in printed.err
    assert "Traceback" not in printed.out + printed.err


def test_files_that_are_no_images_or_no_models_are_named(trained, capsys, elsewhere):
    (elsewhere / "notes.txt").write_text("no image")
    (elsewhere / "broken.safetensors").write_bytes(trained[0].read_bytes()[:100])
    good = str(trained[0])
    for arguments, name in ((["predict", good, "notes.txt"], "notes.txt"),
                            (["predict", good, "gone.png"], "gone.png"),
                            (["predict", "broken.safetensors", "notes.txt"], "broken.safetensors")):
        assert run(arguments) == 2
        error = capsys.readouterr().err
        assert name in error
        assert len(error.splitlines()) == 1


def test_a_mistake_is_no_traceback_in_a_process_of_its_own():
    done = subprocess.run([sys.executable, "-m", "cnnkit", "train", "nothing"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("cnnkit: there is no data 'nothing'")
    assert len(done.stderr.splitlines()) == 1


def test_summary_of_a_saved_model_takes_no_shape_of_its_own(trained, capsys):
    for option, value in (("--input-shape", "1,8,8"), ("--classes", "4")):
        assert run(["summary", str(trained[0]), option, value]) == 2
        assert f"{option} {value}: {trained[0]} is a saved model" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "line"), [
    (MemoryError("Unable to allocate 4 TiB"),
     "cnnkit: there is not enough memory for this (Unable to allocate 4 TiB)"),
    (OverflowError("too large"), "cnnkit: too large"),
    (PermissionError(13, "Permission denied", "a.npz"), "cnnkit: a.npz: Permission denied"),
])
def test_what_the_machine_refuses_is_one_readable_line_too(monkeypatch, capsys, error, line):
    def refuse(*arguments, **keywords):
        raise error

    monkeypatch.setattr("cnnkit.data.load", refuse)
    assert run(["train", "digits"]) == 2
    assert capsys.readouterr().err == f"{line}\n"


def test_a_warning_is_one_line_in_a_process_of_its_own(trained):
    Image.fromarray(np.zeros((8, 8), np.uint16)).save("deep.png")
    done = subprocess.run([sys.executable, "-m", "cnnkit", "predict", str(trained[0]), "deep.png"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ("cnnkit: 1 of 1 images has 16 bits per pixel, which are scaled to 8 (0..65535 "
                           "become 0..255): deep.png\n")
