"""A level of precision that there is not is warned of and changes nothing."""

import pytest

import cnnkit


def test_another_level_is_warned_of_and_changes_nothing():
    with pytest.warns(UserWarning, match="one of highest, high, medium; got 'low'"):
        cnnkit.set_float32_matmul_precision("low")
    assert cnnkit.get_float32_matmul_precision() == "highest"
