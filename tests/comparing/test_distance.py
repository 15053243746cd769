"""Distances in ulp."""

import numpy as np
import pytest

from cnnkit.comparing.distance import distance, ulp


@pytest.mark.parametrize("values", [np.float32([1, 3, 1e-40, 0.1, -7e30]), np.float64([1, 3, 0.1])])
def test_an_ulp_is_the_distance_to_the_next_number(values):
    assert ulp(values.astype(np.float64), str(values.dtype)).tolist() == np.abs(np.spacing(values)).tolist()


def test_the_first_element_beyond_the_tolerance_is_found_and_the_farthest_counted():
    a = np.ones((2, 3))
    b = a.copy()
    b[0, 2] += 2.0**-13
    b[1, 1] += 1.0
    found = distance(a, b, "float32", allowed=1000)
    assert (found.element, found.ulps) == ((0, 2), 1024.0)
    assert (found.beyond, found.size, found.most) == (2, 6, 2.0**22)


def test_a_sum_that_is_nearly_zero_is_measured_by_the_size_of_the_others():
    a = np.asarray([1.0, -1.0, 1e-9])
    assert distance(a, np.asarray([1.0, -1.0, 2e-9]), "float32", 1).beyond == 0


def test_nan_and_infinity_part_unless_they_are_on_both_sides():
    a = np.asarray([np.nan, np.inf, 1.0, -np.inf])
    assert distance(a, a, "float32", 0).beyond == 0
    found = distance(a, np.asarray([np.nan, np.inf, np.nan, np.inf]), "float32", 0)
    assert (found.element, found.beyond, found.nonfinite) == ((2,), 2, True)


def test_empty_arrays_are_not_compared():
    assert distance(np.ones((0, 3)), np.ones((0, 3)), "float32", 0) is None
