"""Every example of docs/sklearn.md, run as it stands."""

import doctest
from pathlib import Path

import pytest

pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")

PAGE = Path(__file__).parents[2] / "docs" / "sklearn.md"


def test_the_pages_examples_print_what_it_says():
    result = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.attempted > 30
    assert result.failed == 0
