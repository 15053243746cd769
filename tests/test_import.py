"""``import cnnkit`` costs next to nothing and brings in no large library."""

import importlib
import subprocess
import sys

import pytest

import cnnkit

HEAVY = ("cupy", "torch", "sklearn", "onnx", "matplotlib", "jax", "numpy", "rich", "typer", "PIL", "pooch")


def modules_after(code):
    script = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_import_cnnkit_imports_no_library():
    assert modules_after("import cnnkit") & set(HEAVY) == set()


def test_import_cnnkit_nn_does_not_look_for_plugins():
    """`importlib.metadata`, which is for that, brings e-mail's parsers in: a fifth of the time."""
    assert modules_after("import cnnkit.nn") & {"email", "zipfile"} <= modules_after("import numpy")


def test_training_imports_no_library_but_numpy_and_rich():
    code = "from cnnkit import models, train\nfrom cnnkit.data import datasets\n" \
           "train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(train=False), progress=False)"
    assert modules_after(code) & set(HEAVY) <= {"numpy", "rich"}


def test_without_scikit_learn_cnnkit_works_and_cnnkit_sklearn_names_the_extra():
    code = """
import sys
for name in ("sklearn", "scipy", "joblib"):
    sys.modules[name] = None  # as if it were not installed
import cnnkit
cnnkit.tensor([1.0])
for load in (lambda: __import__("cnnkit.sklearn"), lambda: cnnkit.sklearn):
    try:
        load()
    except ImportError as error:
        assert "pip install 'cnnkit[sklearn]'" in str(error), error
    else:
        raise AssertionError("no error")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there():
    code = ("import cnnkit\nfor name in cnnkit.__all__: getattr(cnnkit, name)\n"
            "assert set(cnnkit.__all__) <= set(dir(cnnkit))")
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("line", ["import cnnkit.distributions", "from cnnkit import distributions",
                                  "import cnnkit.distributions.normal"])
def test_a_module_that_is_out_of_scope_says_so(line):
    with pytest.raises(ModuleNotFoundError, match=r"distributions'; it is out of scope.*cnnkit.randn"):
        exec(line, {})


def test_other_modules_that_are_not_there_are_python_s_to_report():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'cnnkit.nothing'$"):
        importlib.import_module("cnnkit.nothing")


def test_a_name_is_looked_up_once(monkeypatch):
    monkeypatch.delitem(vars(cnnkit), "arange", raising=False)
    assert "arange" not in vars(cnnkit)
    assert cnnkit.arange is vars(cnnkit)["arange"] is cnnkit.arange
