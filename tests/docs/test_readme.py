"""The README's example runs as it stands, and with the same losses where `use(...)` names another backend."""

import re
from pathlib import Path

import pytest

import cnnkit

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def example():
    yield re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL).group(1)
    cnnkit.use(None)


def losses(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    return [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()]


def test_the_example_learns(example, capsys):
    printed = losses(example, capsys)
    assert len(printed) == 3
    assert printed[-1] < printed[0] - 0.3


@pytest.mark.parametrize("backend", ["array-api-strict", "torch", "jax",
                                     pytest.param("emulator", marks=pytest.mark.heavy)])
def test_only_use_changes_between_backends(example, capsys, backend):
    try:
        cnnkit.backends.get(backend)
    except cnnkit.backends.Unavailable as reason:
        pytest.skip(str(reason))
    expected = losses(example, capsys)
    changed = example.replace('use("numpy")', f'use("{backend}")')
    assert losses(changed, capsys) == pytest.approx(expected, abs=2e-4)
