"""``import cnnkit`` costs next to nothing and brings in no large library."""

import subprocess
import sys

HEAVY = ("cupy", "torch", "sklearn", "onnx", "matplotlib", "jax", "numpy", "rich", "typer", "PIL", "pooch")


def modules_after(code):
    script = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_import_cnnkit_imports_no_library():
    assert modules_after("import cnnkit") & set(HEAVY) == set()


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
