"""Costs that follow the formulas of `choice` give its constants back."""

import pytest
from cnnkit_cpu import choice
from cnnkit_cpu.calibrate import constants
from cnnkit_cpu.calibrate.rounds import Rounds


def cost(job):
    """What `choice` says that a convolution costs, by one algorithm and in one direction."""
    conv, algorithm, direction, _ = job
    index = ("forward", "input's gradient", "filters' gradient").index(direction)
    if algorithm == choice.FLAT:
        return choice.flat_costs(conv.x, conv.weight, conv.y, conv.attrs)[index]
    return choice.costs(conv.x, conv.weight, conv.y, conv.attrs)[index][algorithm]


@pytest.fixture
def measurer(monkeypatch):
    """A measurer on a machine that costs what `choice` says."""
    monkeypatch.setattr(constants, "convolution", lambda *job: job)
    monkeypatch.setattr(constants.Measurer, "units",
                        lambda self, jobs: {name: cost(job) for name, job in jobs.items()})
    return constants.Measurer(Rounds())


@pytest.mark.parametrize("name", ["TILE_PRODUCT_COST", "TILE_TRANSFORM_COST", "FILTER_TRANSFORM_COST",
                                  "LARGE_FILTER_TRANSFORM_COST", "GRADIENT_TRANSFORM_COST",
                                  "FEW_TRANSFORM_COST", "FLAT_GRADIENT_COST", "FLAT_GRADIENT_PLACES"])
def test_a_machine_of_the_shipped_constants_measures_them(measurer, name):
    measured = constants.MEASUREMENTS[name](measurer)
    for key, value in constants.shipped(name).items():
        assert measured[key] == pytest.approx(value, rel=1e-6)


def test_another_machine_measures_its_own_constants(measurer, monkeypatch):
    monkeypatch.setattr(choice, "TILE_TRANSFORM_COST", {2: 7, 4: 31})
    measured = constants.MEASUREMENTS["TILE_TRANSFORM_COST"](measurer)
    assert measured["TILE_TRANSFORM_COST[2]"] == pytest.approx(7)
    assert measured["TILE_TRANSFORM_COST[4]"] == pytest.approx(31)


def test_a_unit_is_what_the_control_takes_by_its_multiply_adds():
    class Timing:
        def medians(self, control, calls):
            return {"": 2.0, **dict.fromkeys(list(calls)[1:], 3.0)}
    measurer = constants.Measurer(Timing())
    products = constants.product_units(measurer.control)
    assert products == 8 * 16**2 * 64 * 9 * 64 / 16
    assert measurer.units({"a": None}) == {"a": pytest.approx(3.0 / 2.0 * products)}


def test_faster_from_a_number_on_means_at_all_larger_ones():
    assert constants.first_of_all({8: False, 16: True, 32: True}) == 16
    assert constants.first_of_all({8: True, 16: False}) is None


def test_every_constant_that_is_measured_is_one_of_choice_and_no_other_is_left_out():
    kinds = "COST", "PLACES", "GAIN", "FROM"
    assert {name for name in vars(choice) if name.endswith(kinds)} == set(constants.MEASUREMENTS)
