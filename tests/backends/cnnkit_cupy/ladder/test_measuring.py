"""What is measured of the CUDA ladder: differences with their place, counts that follow from shapes."""

from types import SimpleNamespace

import numpy as np
import pytest
from cnnkit_cupy.ladder import measuring, steps
from cnnkit_cupy.ladder.measuring import Shape

SHAPE = Shape(1, 1, 32, 32, 4)


@pytest.mark.parametrize("wrong", [0.75, np.nan])
def test_wrong_numbers_are_found_with_their_place(wrong):
    expected = np.array([[1.0, 0.5], [0.5, 1.0]])
    assert measuring.compare("it", expected + 5e-6, expected) == pytest.approx(5e-6)
    message = rf"it gives {wrong} at \(1, 0\), and the float64 loops 0\.5"
    with pytest.raises(measuring.WrongNumbers, match=message):
        measuring.compare("it", np.array([[1.0, 0.5], [wrong, 1.0]]), expected)


def test_the_counts_of_several_launches_are_added():
    def site(shared, writes, requests, actual, least):
        return SimpleNamespace(shared=shared, writes=writes, requests=requests, actual=actual, least=least)
    loads = site(False, False, 2, 10, 5), site(True, False, 4, 8, 4)
    first = SimpleNamespace(sites=[*loads, site(True, True, 1, 1, 1)])
    second = SimpleNamespace(sites=[site(False, True, 3, 7, 7), site(False, False, 1, 5, 5)])
    assert measuring.total([first, second]) == measuring.Count(2, 15, 7, 7, 2.0)
    assert measuring.total([second]).conflicts is None


def test_each_step_moves_less_than_the_one_before(emulator):
    with steps.declared():
        counted = measuring.counts(emulator, SHAPE)
    naive, tiled, fused = (counted[name] for name in list(steps.STEPS)[:3])
    assert naive.read > tiled.read > fused.read >= measuring.least(SHAPE)[0]
    activation, result = 4 * 32 * 32 * 4 // 32, 4 * 16 * 16 * 4 // 32
    assert naive.written == activation + result  # a row is stored side by side
    assert tiled.written == 2 * activation + result  # lanes store every second column, twice
    assert fused.written == result == measuring.least(SHAPE)[1]
    assert [count.launches for count in (naive, tiled, fused)] == [2, 2, 1]
    assert naive.loads > tiled.loads > fused.loads
    assert (naive.conflicts, tiled.conflicts, fused.conflicts) == (None, 1.0, 1.0)


@pytest.mark.heavy
def test_single_floats_would_meet_in_every_second_bank(emulator, copied):
    folder = copied("2_tiled.cu", """j += 2) {  // two at once: half a warp reads each of the 32 banks once
                const Vector<float, 2> pair = load<2>(room.tile + (row + i) * PITCH + column + j);
                pixels[i][j] = pair.of[0];
                pixels[i][j + 1] = pair.of[1];
            }
""", "j++) pixels[i][j] = room.tile[(row + i) * PITCH + column + j];\n")
    with steps.declared(folder):
        assert measuring.check(emulator, SHAPE)
        assert measuring.counts(emulator, SHAPE)["2_tiled.cu"].conflicts > 1.2
