"""Building a step: every step equals float64 loops, and what does not compile is explained."""

import re
from pathlib import Path

import numpy as np
import pytest
from cnnkit_cpu import library
from cnnkit_cpu.ladder import building
from cnnkit_cpu.ladder.measuring import CONV, POOL, Shape

from cnnkit.conformance.reference import REFERENCES

FOLDER = Path(building.__file__).parent
SOURCES = sorted(FOLDER.glob("[0-9]*.cpp"))
COMMAND = building.compiler()
pytestmark = pytest.mark.skipif(COMMAND is None, reason="there is no C++ compiler")

# odd heights and widths, filters that fill no block, more channels than one, images smaller than a vector
SHAPES = Shape(2, 1, 9, 11, 5), Shape(1, 3, 16, 34, 8), Shape(3, 2, 2, 3, 1)


def reference(shape):
    """The results of loops over every pixel, in float64."""
    y = REFERENCES["conv"][0](*(array.astype(np.float64) for array in shape.arrays()), **CONV)
    return REFERENCES["max_pool"][0](np.maximum(y, 0), **POOL)


@pytest.mark.heavy
@pytest.mark.parametrize("isa", library.isas())
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_step_equals_float64_loops(source, isa, tmp_path):
    step = building.build(COMMAND, source, isa, tmp_path)
    for shape in SHAPES:
        y = shape.result()
        step(*shape.arrays(), y)
        np.testing.assert_allclose(y, reference(shape), rtol=1e-5, atol=1e-5)


def test_there_are_three_steps_and_each_is_short():
    assert [source.name for source in SOURCES] == ["1_naive.cpp", "2_flat.cpp", "3_patch.cpp"]
    for source in SOURCES:
        assert len(source.read_text(encoding="utf-8").splitlines()) <= 100


def test_the_steps_are_built_for_the_instruction_sets_of_the_shipped_kernels():
    setup = (Path(__file__).parents[4] / "setup.py").read_text(encoding="utf-8")
    assert set(building.ISAS) == set(library.LEVELS)
    ours = {flag for flags in building.ISAS.values() for flag in flags}
    assert ours == set(re.findall(r'"(-m[^"]+)"', setup))


def test_a_step_that_does_not_compile_is_named_with_the_compilers_words(tmp_path):
    source = tmp_path / "4_mine.cpp"
    source.write_text("int step(\n")
    with pytest.raises(building.BuildError, match=r"4_mine\.cpp does not compile with .*\n.*4_mine\.cpp:1:"):
        building.build(COMMAND, source, "generic", tmp_path)
    source.write_text("int other() { return 0; }\n")
    with pytest.raises(building.BuildError, match=r"4_mine\.cpp has no function `step` with C linkage"):
        building.build(COMMAND, source, "generic", tmp_path)


def test_cxx_names_the_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert building.compiler() is None
    monkeypatch.setenv("CXX", COMMAND)
    assert building.compiler() == COMMAND


def test_the_processor_has_a_name():
    assert building.processor()
