"""Drawings say what they are given: where lines break, where ticks stand, what is escaped."""

import itertools
import math
import re

import pytest

from cnnkit.plot.svg import Box, Line, chart, graph, reliability, ticks


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.2, 7.9), (1e-5, 3e-5), (5.0, 5.0), (0.0, 0.0),
                                         (-2, -2)])
def test_ticks_reach_around_all_values_in_even_steps(low, high):
    found = ticks(low, high)
    slack = 1e-9 * (high - low)
    assert found[0] <= low + slack
    assert found[-1] >= high - slack
    assert 2 <= len(found) <= 8
    steps = [b - a for a, b in itertools.pairwise(found)]
    assert steps == pytest.approx([steps[0]] * len(steps))


def test_a_line_breaks_where_a_figure_is_nan():
    text = chart([Line("loss", [(1, 1.0), (2, math.nan), (3, 2.0), (4, 1.0)])], "loss")
    assert (text.count("<circle"), text.count("<polyline")) == (1, 1)
    assert chart([Line("loss", [(1, math.nan)])], "loss") == ""


def test_higher_values_stand_higher():
    points = re.search(r'points="([^"]+)"', chart([Line("a", [(1, 0.0), (2, 1.0)])], "a"))[1].split()
    (x0, y0), (x1, y1) = (map(float, point.split(",")) for point in points)
    assert x0 < x1
    assert y0 > y1


def test_names_are_escaped():
    text = chart([Line("<a>", [(1, 1.0)])], "<b>") + graph([Box("<c>", "<d>")])
    assert not re.search("<[abcd]>", text)
    assert "&lt;a&gt;" in text


def test_a_bar_is_as_high_as_its_answers_are_right():
    text = reliability([(0.2, 0.5, 10), (0.8, 1.0, 30), (0.0, 0.0, 0)])
    heights = [float(h) for h in re.findall(r'class="bar".*?height="([\d.]+)"', text)]
    assert len(heights) == 2
    assert heights[1] == pytest.approx(2 * heights[0], rel=0.01)


def test_boxes_that_follow_one_another_stand_in_rows_of_their_own():
    text = graph([Box("image", ""), Box("a", "", (0,)), Box("b", "", (0,)), Box("sum", "", (1, 2, 0))])
    rows = [float(y) for y in re.findall(r'<rect class="box" x="-?\d+" y="(\d+)"', text)]
    assert rows[0] < rows[1] == rows[2] < rows[3]
    assert text.count("<path") == 5
