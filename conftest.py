"""What holds for tests and for docstrings' examples alike.

Without scikit-learn the examples of `cnnkit.sklearn` are not collected, and without ndonnx not the modules of
the ONNX backend; their tests say that they were skipped.
"""

import importlib.util
import os

import pytest

# before SciPy is imported: scikit-learn's array_api_dispatch asks for it
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# the folder of tests of that name has none
scikit_learn = getattr(importlib.util.find_spec("sklearn"), "origin", None)
collect_ignore = ["cnnkit/sklearn"] if scikit_learn is None else []
if importlib.util.find_spec("ndonnx") is None:
    collect_ignore.append("backends/cnnkit_onnx")
if getattr(importlib.util.find_spec("onnx"), "origin", None) is None:  # the folder of its tests has none
    collect_ignore += ["tests/onnx_graphs.py", "tests/damaged_onnx.py"]


@pytest.fixture(autouse=True)
def same_draws():
    """The random draws of a test, or of a docstring's example, do not depend on the tests before it."""
    from cnnkit import random  # not above: SCIPY_ARRAY_API is set first

    random.seed(0)
