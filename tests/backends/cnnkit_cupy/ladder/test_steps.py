"""The steps of the CUDA ladder: float64 loops' numbers, in any order of threads, every access watched."""

import pytest
from cnnkit_cupy.ladder import measuring, steps
from cnnkit_cupy.ladder.measuring import Shape
from cnnkit_cupy.launcher import KERNELS
from cnnkit_emulator.device import KernelFault, schedule, traced

# odd heights and widths, filters that fill no block, several channels, images of several tiles
SHAPES = Shape(2, 1, 9, 11, 5), Shape(1, 3, 34, 66, 4)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_step_equals_float64_loops(emulator, shape):
    with steps.declared():
        differences = measuring.check(emulator, shape)
    assert list(differences) == list(steps.STEPS)
    assert max(differences.values()) < 1e-6


@pytest.mark.parametrize("order", [("reversed", 0), ("skewed", 1), ("skewed", 2)], ids=str)
def test_no_step_depends_on_the_order_of_its_threads(emulator, order):
    with steps.declared(), schedule(*order):
        measuring.check(emulator, SHAPES[0])


def test_no_step_races_or_reads_what_it_must_not(emulator):
    with steps.declared(), traced():
        measuring.check(emulator, SHAPES[0])


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "old", "new"), [
    ("1_naive.cu", "sum += x", "sum -= x"),
    ("2_tiled.cu", "sums[k][a][b] += ", "sums[k][a][b] -= "),
    ("3_fused.cu", "sums[k][a][b] += ", "sums[k][a][b] -= "),
    ("3_fused.cu", "value > largest", "value < largest"),
])
def test_a_changed_sign_is_found(emulator, copied, name, old, new):
    message = rf"{name} gives \S+ at \(\d+, \d+, \d+, \d+\), and the float64 loops "
    with steps.declared(copied(name, old, new)), pytest.raises(measuring.WrongNumbers, match=message):
        measuring.check(emulator, SHAPES[0])


def test_a_missing_barrier_is_found(emulator, copied):
    folder = copied("2_tiled.cu", "        __syncthreads();  // everything is there\n", "")
    fault = pytest.raises(KernelFault, match=r"tiled_conv2d: .*2_tiled\.cu:\d+")
    with steps.declared(folder), traced(), fault:
        measuring.check(emulator, SHAPES[0])


def test_the_launchers_table_lists_the_ladder_only_while_it_runs():
    before = dict(KERNELS)
    with steps.declared():
        assert {"naive_conv2d", "tiled_conv2d", "relu_max_pool2d"} <= set(KERNELS)
    assert before == KERNELS
