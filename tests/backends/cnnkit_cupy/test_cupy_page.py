"""docs/cupy.md: every example runs as it stands, where CuPy finds a device."""

import re
from pathlib import Path

import numpy as np
import pytest

from cnnkit import backends
from cnnkit.backends.kernel import KERNEL_KINDS
from cnnkit.ops import OPS

HERE = next(row for row in backends.list() if row.name == "cupy")
pytestmark = pytest.mark.skipif(not HERE.available, reason=f"no GPU: {HERE.reason}")
PAGE = (Path(__file__).parents[3] / "docs" / "cupy.md").read_text(encoding="utf-8")


@pytest.fixture
def clean_ops():
    before = [(registry, dict(registry)) for registry in (OPS, KERNEL_KINDS)]
    yield
    for registry, content in before:
        registry.clear()
        registry.update(content)


def test_the_examples_run_one_after_the_other(clean_ops):
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/cupy.md", "exec"), names)
    x, y = names["x"], names["y"]
    at, sigmoid = x.numpy(), 1 / (1 + np.exp(-x.numpy()))
    np.testing.assert_allclose(y.numpy(), at * sigmoid, rtol=1e-5)
    np.testing.assert_allclose(x.grad.numpy(), sigmoid * (1 + at * (1 - sigmoid)), rtol=1e-5)
    assert 0 <= float(names["hits"]) <= 1
