"""What a PyTorch user writes without thinking gives here what it gives in PyTorch."""

import importlib.util

import pytest
from pytorch_lines import TABLES, outcome

LIBRARIES = [name for name in ("cnnkit", "torch") if importlib.util.find_spec(name)]
LINES = [(table, line) for table, part in TABLES.items() for line in part.LINES]
DIFFERENT = [(table, line) for table, part in TABLES.items() for line in part.DIFFERENT]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("table", "line"), LINES)
def test_a_line_gives_the_same_in_both_libraries(table, line, library):
    part = TABLES[table]
    assert outcome(line, part.PREAMBLE, library) == part.LINES[line]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("table", "line"), DIFFERENT)
def test_a_line_that_differs_on_purpose_gives_what_the_table_says(table, line, library):
    part = TABLES[table]
    ours, theirs = part.DIFFERENT[line]
    assert ours != theirs
    assert outcome(line, part.PREAMBLE, library) == (ours if library == "cnnkit" else theirs)


LONG = ("joining", "making", "moving", "norms", "pointwise", "products", "reduction", "scattering",
        "selecting", "sorting", "views")


@pytest.mark.parametrize("table", ["grad_mode", "tensor", *[pytest.param(name, marks=pytest.mark.heavy)
                                                            for name in LONG]])
def test_lines_about_tensors_give_the_same_on_every_backend(table, backend):
    part = TABLES[table]
    lines = [line for line in part.LINES if line not in part.ON_NUMPY_ONLY]
    given = {line: outcome(line, part.PREAMBLE, "cnnkit") for line in lines}
    assert given == {line: part.LINES[line] for line in lines}


def test_the_lines_run_in_pytorch_too():
    pytest.importorskip("torch")
    assert "torch" in LIBRARIES
