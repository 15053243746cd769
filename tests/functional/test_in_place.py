"""Functions with an underscore change their input to what the others give."""

import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit.functional import in_place


@pytest.mark.parametrize("name", in_place.__all__)
def test_the_input_becomes_the_result(name):
    settings = (0.5, 3.0) if name == "threshold_" else ()
    x = cnnkit.tensor([-2.0, 0.25, 4.0])
    expected = getattr(F, name[:-1])(x, *settings).tolist()
    assert getattr(F, name)(x, *settings) is x
    assert x.tolist() == expected
