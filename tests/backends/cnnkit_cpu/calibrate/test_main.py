"""The command measures every constant on this machine and prints it beside the shipped one."""

import cnnkit_cpu
import pytest
import typer
from cnnkit_cpu import choice, library
from cnnkit_cpu.calibrate.__main__ import main
from typer.testing import CliRunner

app = typer.Typer()
app.command()(main)
SHIPPED = {
    "TILE_PRODUCT_COST": choice.TILE_PRODUCT_COST,
    "TILE_TRANSFORM_COST[2]": choice.TILE_TRANSFORM_COST[2],
    "TILE_TRANSFORM_COST[4]": choice.TILE_TRANSFORM_COST[4],
    "FILTER_TRANSFORM_COST": choice.FILTER_TRANSFORM_COST,
    "LARGE_FILTER_TRANSFORM_COST": choice.LARGE_FILTER_TRANSFORM_COST,
    "GRADIENT_TRANSFORM_COST": choice.GRADIENT_TRANSFORM_COST,
    "FEW_TRANSFORM_COST": choice.FEW_TRANSFORM_COST,
    "FLAT_GRADIENT_COST": choice.FLAT_GRADIENT_COST,
    "FLAT_GRADIENT_PLACES": choice.FLAT_GRADIENT_PLACES,
    "ONE_VECTOR_COST": choice.ONE_VECTOR_COST,
    "REORDER_COST": choice.REORDER_COST,
    "NEIGHBOURS_GAIN": choice.NEIGHBOURS_GAIN,
    'CHANNELS_LAST_FROM[""]': choice.CHANNELS_LAST_FROM[""],
    'CHANNELS_LAST_FROM["max"]': choice.CHANNELS_LAST_FROM["max"],
    'CHANNELS_LAST_FROM["avg"]': choice.CHANNELS_LAST_FROM["avg"],
    'CHANNELS_LAST_FROM["other"]': choice.CHANNELS_LAST_FROM["other"],
    "PRODUCT_WEIGHTS_FROM": choice.PRODUCT_WEIGHTS_FROM}


def calibrate(*arguments):
    return CliRunner().invoke(app, ["--quick", *arguments])


def cells(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("isa", ["avx512", "avx2", "generic"])
def test_the_table_has_every_constant_with_its_shipped_and_its_measured_value(isa):
    if isa not in cnnkit_cpu.isas():
        pytest.skip(f"this machine has no kernels for {isa}")
    result = calibrate("--isa", isa, "--threads", "1")
    where = result.stdout.splitlines()[0].split("; ")
    assert where[1:] == [isa, "threads: 1", "rounds: 3", "quick, so the figures mean nothing"]
    head, line, *rows = cells(result.stdout)
    assert head == ["constant of cnnkit_cpu.choice", "shipped", "measured"]
    assert set(line) == {"---"}
    assert {name: float(shipped) for name, shipped, _ in rows} == SHIPPED
    assert [name for name, *_ in rows] == list(SHIPPED)
    for _, _, measured in rows:
        assert measured in ("disturbed", "none") or float(measured) == float(measured)
    disturbed = any(row[2] == "disturbed" for row in rows)
    assert result.exit_code == disturbed
    assert ("rounds were disturbed" in result.stderr) == disturbed
    assert cnnkit_cpu.isa() == cnnkit_cpu.isas()[0]


def test_one_constant_is_measured_where_it_is_named():
    before = library.threads
    rows = cells(calibrate("--only", "REORDER_COST", "--threads", "1").stdout)[2:]
    assert [row[:2] for row in rows] == [["REORDER_COST", "2"]]
    assert library.threads == before


def test_what_is_disturbed_is_thrown_away_with_a_message():
    result = calibrate("--only", "REORDER_COST", "--slack", "1.0")
    assert cells(result.stdout)[2:] == [["REORDER_COST", "2", "disturbed"]]
    assert "thrown away: REORDER_COST: 8 of 9 rounds were disturbed" in result.stderr
    assert "Measure again when nothing else runs." in result.stderr
    assert result.exit_code == 1


@pytest.mark.parametrize(("arguments", "message"), [
    (("--only", "SPEED"), "--only SPEED: there are TILE_PRODUCT_COST"),
    (("--isa", "mmx"), "no kernels for the instruction set 'mmx'")])
def test_what_there_is_not_is_refused(arguments, message):
    result = calibrate(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
