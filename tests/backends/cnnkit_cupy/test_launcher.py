"""What the launcher refuses, and what it makes of the arguments; no GPU is asked, and none is needed."""

import re
import subprocess
import sys

import numpy as np
import pytest
from cnnkit_cupy import kernels, launcher
from cnnkit_cupy.launcher import (
    KERNELS,
    REMEMBERED,
    In,
    InTable,
    Kernel,
    Launch,
    Numbers,
    Out,
    OutTable,
    Scalar,
    Struct,
    contiguous,
    launch,
    strides,
)
from cnnkit_cupy.parameters import pack
from cnnkit_cupy.pool import index_type
from cnnkit_cupy.sources import source, structure

from cnnkit import backends

kernels.kernels("emulator")  # fills the table


class Recorder:
    """A device that keeps what it was asked to run."""

    def __init__(self):
        self.calls = []

    def address(self, array):
        return array.ctypes.data

    def layout(self, array):
        return (None if array is None
                else (array.dtype, array.shape, array.strides, self.address(array) % 256, 0))

    def by_value(self, packed):
        return packed

    def run(self, *arguments):
        self.calls.append(arguments)


KERNEL = Kernel("pool", "avg_pool2d<float, int, 1>",
                (In("float32", True), Out("float32"), Struct("Strides"), Scalar("int32")))


def as_argument(position, value, kernel=KERNEL):
    parameter, label = kernel.parameters[position], kernel.label(position)
    if kernel.by_value[position]:
        return parameter.pack(label, kernel.module, value)
    parameter.check(label, value, 0 if value is None else value.ctypes.data)
    return value


@pytest.mark.parametrize(("position", "value", "error", "message"), [
    (0, np.zeros(2), TypeError, "argument 0 must be an array of float32; got float64"),
    (0, None, TypeError, "argument 0 must be an array of float32; got None"),
    (1, np.zeros((2, 3), np.float32).T, ValueError, r"argument 1 must be contiguous; got shape \(3, 2\)"),
    (0, np.zeros(9, np.uint8)[1:].view(np.float32), ValueError, "not aligned to its elements of 4 bytes"),
    (3, 2**31, OverflowError, "argument 3 must be from -2147483648 to 2147483647; got 2147483648"),
    (3, np.int64(-2**31 - 1), OverflowError, "argument 3 must be from -2147483648 to"),
    (3, None, TypeError, "argument 3 must be a whole number; got None"),
    (2, (1, 2, 3, 2**63), OverflowError, "argument 2, w must be from -9223372036854775808 to"),
    (3, 1.5, TypeError, r"argument 3 must be a whole number; got 1\.5"),
    (2, (1, 2, 3, 4.5), TypeError, r"argument 2, w must be a whole number; got 4\.5"),
    (2, (1, 2, 3), ValueError, "shorter"),
    (2, {"n": 1}, TypeError, "needs the fields n, c, h, w; got n"),
])
def test_what_does_not_fit_is_refused(position, value, error, message):
    with pytest.raises(error, match=message):
        as_argument(position, value)


@pytest.fixture
def declared(monkeypatch):
    """`KERNEL` in the table, and a device that records."""
    monkeypatch.setitem(KERNELS, KERNEL.name, Kernel(**{f: getattr(KERNEL, f) for f in (
        "module", "name", "parameters")}))  # a new one, which remembers no launches
    return Recorder()


VALUES = (1, 2, 3, 4), 5


def test_what_fitted_once_is_not_taken_for_what_does_not(declared):
    fitting, run = np.zeros(12, np.float32), Launch(declared, KERNEL.name, (1, 1, 1), *VALUES)
    for n in (1, 2):
        run(fitting, fitting)
        assert len(declared.calls) == n
        for unfitting in (fitting[::2], fitting.astype(np.float64),
                          np.zeros(49, np.uint8)[1:].view(np.float32)):
            with pytest.raises((TypeError, ValueError), match="argument 1"):
                run(fitting, unfitting)


def test_values_are_packed_once_and_nobody_can_change_them(declared):
    x = np.zeros(12, np.float32)
    for by in (VALUES[0], {"w": 4, "h": 3, "c": 2, "n": 1}, VALUES[0]):
        launch(declared, KERNEL.name, (1, 1, 1), x, x, by, 5)
    first, by_name, again = ([*call[5]] for call in declared.calls)
    assert first[2] is again[2]
    assert first[3] is again[3]
    assert first[2] == by_name[2]
    assert first[2][0]["w"] == 4
    for packed in first[2:]:
        with pytest.raises(ValueError, match="read-only"):
            packed[0] = packed[0]


def test_values_and_arrays_take_the_places_that_the_kernel_gives_them(monkeypatch):
    kernel = Kernel("pool", "mixed", (Scalar("int32"), In("float32"), Scalar("int64"), Out("float32")))
    monkeypatch.setitem(KERNELS, "mixed", kernel)
    device, x, y = Recorder(), np.zeros(2, np.float32), np.ones(2, np.float32)
    launch(device, "mixed", (1, 1, 1), 7, x, 8, y)
    Launch(device, "mixed", (1, 1, 1), 7, 8)(x, y)
    for call in device.calls:
        seven, source, eight, result = call[5]
        assert (seven.dtype, seven[0], eight.dtype, eight[0]) == (np.int32, 7, np.int64, 8)
        assert source is x
        assert result is y


def test_a_launch_for_another_device_or_grid_is_another_one(declared):
    x, other = np.zeros(2, np.float32), Recorder()
    for device, grid in ((declared, (1, 1, 1)), (other, (1, 1, 1)), (declared, (2, 1, 1))):
        launch(device, KERNEL.name, grid, x, x, *VALUES)
    assert [call[3] for call in declared.calls] == [(1, 1, 1), (2, 1, 1)]
    assert len(other.calls) == 1


@pytest.mark.parametrize(("values", "arrays", "message"), [
    (VALUES[:1], 2, "takes 2 numbers and structures; got 1"),
    (VALUES, 1, "takes 2 arrays; got 1"),
    (VALUES, 3, "takes 2 arrays; got 3"),
])
def test_a_launch_needs_every_argument(declared, values, arrays, message):
    with pytest.raises(TypeError, match=message):
        Launch(declared, KERNEL.name, (1, 1, 1), *values)(*[np.zeros(2, np.float32)] * arrays)


def test_what_is_remembered_is_bounded(declared):
    run, x = Launch(declared, KERNEL.name, (0, 1, 1), *VALUES), np.zeros(2 * REMEMBERED, np.float32)
    for n in range(2 * REMEMBERED):
        run(x[:n], x)
    assert len(run._fitting) <= REMEMBERED
    for n in range(REMEMBERED + 2):
        launch(declared, KERNEL.name, (0, 1, 1), x, x, VALUES[0], n)
    assert len(KERNELS[KERNEL.name].launches) <= REMEMBERED


@pytest.mark.parametrize(("view", "message"), [
    (lambda x: x.transpose(0, 3, 1, 2), None),
    (lambda x: x[:, :, :, 4:8].transpose(0, 3, 1, 2), None),
    (lambda x: x[:, :, :, 1:5].transpose(0, 3, 1, 2), "4 bytes off"),
    (lambda x: x[:, :, :, :1], None),
    (lambda x: np.zeros((2, 4, 4, 6), np.float32), r"strides \(384, 96, 24, 4\)"),
    (lambda x: np.zeros((1, 1, 1, 6), np.float32), None),  # an axis of one element takes no step
], ids=range(6))
def test_a_declared_alignment_holds_for_the_beginning_and_for_each_stride(view, message):
    kernel = Kernel("pool", "avg_pool2d<float, int, 1>", (In("float32", True, aligned=16),))
    memory = np.zeros(2 * 4 * 4 * 8 + 64, np.float32)
    first = -memory.ctypes.data % 256 // 4
    array = view(memory[first:first + 2 * 4 * 4 * 8].reshape(2, 4, 4, 8))
    if message is None:
        assert as_argument(0, array, kernel) is array
    else:
        with pytest.raises(ValueError, match=rf"must be aligned to 16 bytes.*{message}"):
            as_argument(0, array, kernel)


@pytest.mark.parametrize(("parameter", "view", "message"), [
    (Out("float32", aligned=16), lambda x: x[:54].reshape(2, 3, 3, 3), None),  # one row of 54
    (Out("float32", aligned=16), lambda x: x[1:55].reshape(2, 3, 3, 3), "the beginning 4 bytes off"),
    (Out("float32", False, True, 16), lambda x: x[:72].reshape(2, 3, 3, 4).transpose(0, 3, 1, 2), None),
    (Out("float32", False, True, 16),
     lambda x: x[:54].reshape(2, 3, 3, 3).transpose(0, 3, 1, 2), r"strides \(108, 4, 36, 12\)"),
], ids=range(4))
def test_an_array_without_gaps_is_one_row_unless_its_channels_are_last(parameter, view, message):
    kernel = Kernel("pool", "avg_pool2d<float, int>", (parameter,))
    memory = np.zeros(200, np.float32)
    array = view(memory[-memory.ctypes.data % 256 // 4:])
    if message is None:
        assert as_argument(0, array, kernel) is array
    else:
        with pytest.raises(ValueError, match=message):
            as_argument(0, array, kernel)


def test_numbers_and_structures_get_their_declared_types():
    assert as_argument(3, 7).dtype == np.int32
    packed = as_argument(2, (1, 2, 3, 2**40))
    assert packed.shape == (1,)
    assert packed.dtype == np.dtype([(name, np.int64) for name in "nchw"])
    assert packed[0]["w"] == 2**40


def test_structures_are_laid_out_as_c_lays_them_out():
    windows = structure("pool", "Windows")
    assert windows.fields["count"][1] % 8 == 0
    assert windows.itemsize == 20 * 4 + 8
    with pytest.raises(OverflowError, match=r"it, \w+ must be from -2147483648 to 2147483647; got"):
        pack("it", windows, dict.fromkeys(windows.names, 2**31))


@pytest.mark.parametrize("number", ["1", None, [1.0], 1j])
def test_a_float_is_no_text_and_not_missing(number):
    sgd = structure("update", "Sgd")
    name = next(n for n in sgd.names if sgd[n].kind == "f")
    with pytest.raises(TypeError, match=rf"it, {name} must be a number; got"):
        pack("it", sgd, {**dict.fromkeys(sgd.names, 1), name: number})


@pytest.mark.parametrize("grid", [(-1, 1, 1), (1, 65536, 1), (2**31, 1, 1), (1, 1, -2**31)])
def test_a_grid_that_cuda_does_not_take_is_refused(grid):
    name = "avg_pool2d<float, int, 1>"
    with pytest.raises(ValueError, match="a grid has from 0 to"):
        launch(Recorder(), name, grid, *[None] * len(KERNELS[name].parameters))


def test_a_launch_passes_source_instances_grid_and_block():
    device, x = Recorder(), np.ones((1, 1, 2, 2), np.float32)
    windows = dict.fromkeys(structure("pool", "Windows").names, 1)
    launch(device, "avg_pool2d<float, int, 1>", (1, 1, 1), x, x.copy(), strides(x), windows)
    (text, names, name, grid, block, arguments, written, dynamic), = device.calls
    assert name in names
    assert "avg_pool2d" in text
    assert (grid, block, written, dynamic) == ((1, 1, 1), (256, 1, 1), [False, True, False, False], 0)
    assert arguments[2].tolist() == [(4, 4, 2, 1)]
    launch(device, "avg_pool2d<float, int, 1>", (0, 1, 1), x, x.copy(), strides(x), windows)
    assert len(device.calls) == 1
    with pytest.raises(TypeError, match="takes 4 arguments; got 1"):
        launch(device, "avg_pool2d<float, int, 1>", (1, 1, 1), x)
    with pytest.raises(ValueError, match="a grid has from 0 to"):
        launch(device, "avg_pool2d<float, int, 1>", (1, 65536, 1), x, x.copy(), strides(x), windows)


@pytest.mark.parametrize("array",
                         [np.zeros((2, 3)), np.zeros((0, 3)).T, np.zeros((3, 1)).T, np.zeros((2, 3)).T,
                          np.zeros((2, 4))[:, ::2], np.zeros((2, 3))[::-1]], ids=str)
def test_contiguous_is_numpys(array):
    assert contiguous(array) == array.flags.c_contiguous


@pytest.mark.parametrize(
    "array", [np.zeros((2, 3, 4, 5)), np.zeros((2, 4, 5, 3)).transpose(0, 3, 1, 2), np.zeros((0, 3, 4, 5)),
              np.zeros((2, 4, 5, 6)).transpose(0, 3, 1, 2)[:, ::2], np.zeros((2, 1, 4, 5))],
    ids=lambda array: f"{array.shape} {array.strides}")
def test_contiguous_with_the_channels_last_is_numpys_for_the_memory(array):
    assert contiguous(array, channels_last=True) == array.transpose(0, 2, 3, 1).flags.c_contiguous


def test_an_output_with_the_channels_last_is_refused_in_another_order():
    kernel = Kernel("pool", "avg_pool2d<float, int, 1>", (Out("float32", channels_last=True),))
    x = np.zeros((2, 4, 5, 3), np.float32)
    assert as_argument(0, x.transpose(0, 3, 1, 2), kernel).shape == (2, 3, 4, 5)
    with pytest.raises(ValueError, match="must be contiguous with the channels last; got shape"):
        as_argument(0, x, kernel)


def test_the_emulator_keeps_what_a_kernel_writes_with_the_channels_last():
    emulator = backends.get("emulator")
    if emulator.available() is not True:
        pytest.skip(emulator.available())
    array = emulator.cuda.empty((2, 3, 4, 5), "float32", None, channels_last=True)
    assert array.shape == (2, 3, 4, 5)
    assert contiguous(array, channels_last=True)
    number = "__global__ void number(float* y) { y[threadIdx.x] = threadIdx.x; }"
    emulator.cuda.run(number, ("number",), "number", (1, 1, 1), (120, 1, 1), [array], [True])
    np.testing.assert_array_equal(array.host, np.arange(120).reshape(2, 4, 5, 3).transpose(0, 3, 1, 2))


def test_elements_beyond_2_to_the_31_are_numbered_by_long_long():
    assert index_type((2, 3), (2**31 - 513,)) == "int"
    assert index_type((2, 3), (2**16, 2**15)) == "long long"


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=lambda kernel: kernel.name)
def test_the_table_says_what_the_source_says(kernel):
    name = kernel.name.split("<")[0]
    bounds = re.search(rf"__launch_bounds__\(([^)]+)\)\s+{name}\(", source(kernel.module)).group(1)
    if "Tile::" not in bounds:  # tests of a kernel with tiles know what its tiles are
        assert tuple(map(int, bounds.split(","))) == kernel.launch_bounds
    assert np.prod(kernel.block) <= kernel.launch_bounds[0]


def test_importing_the_plug_in_imports_no_cupy():
    code = ("import cnnkit_cupy.kernels, cnnkit_emulator, sys; print('cupy' in sys.modules, "
            "'cnnkit_cupy.pool' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True,
                          text=True, check=True).stdout == "False False\n"


def test_without_cupy_or_a_gpu_the_reason_is_given():
    row = next(row for row in backends.list() if row.name == "cupy")
    assert row.available or "cupy" in row.reason


TABLES = Kernel("update", "tables", (InTable("float32", count=3), OutTable("float32", optional=True, count=3),
                                     Numbers("int32", 2)))


@pytest.fixture
def with_tables(monkeypatch):
    monkeypatch.setitem(KERNELS, "tables", TABLES)
    device = Recorder()
    device.table = lambda arrays, count: (arrays, count)
    yield device
    launcher._instances.pop("update", None)  # it lists this kernel


def test_a_table_of_arrays_and_numbers_by_value(with_tables):
    x, y = np.zeros(2, np.float32), np.ones(3, np.float32)
    Launch(with_tables, "tables", (1, 1, 1), [7, 8])((x, y), (None, y))
    (read, count), written, numbers = with_tables.calls[0][5]
    assert read[0] is x
    assert read[1] is y
    assert count == 3
    assert written[0][0] is None
    assert numbers["of"].tolist() == [[7, 8]]


@pytest.mark.parametrize(("arrays", "message"), [
    ((np.zeros(2, np.float32), ()), "argument 0 must be a tuple of at most 3 arrays"),
    (((np.zeros(2, np.float32),) * 4, ()), "argument 0 must be a tuple of at most 3 arrays"),
    (((None,), ()), "argument 0 must be an array of float32; got None"),
    (((np.zeros(2, np.float32), np.zeros(2)), ()), "argument 0 must be an array of float32; got float64"),
])
def test_what_is_no_table_is_refused(with_tables, arrays, message):
    with pytest.raises(TypeError, match=message):
        Launch(with_tables, "tables", (1, 1, 1), [7, 8])(*arrays)


def test_numbers_are_as_many_as_declared(with_tables):
    with pytest.raises(TypeError, match="argument 2 needs 2 numbers; got 3"):
        Launch(with_tables, "tables", (1, 1, 1), [7, 8, 9])


def test_the_last_value_of_a_launch_can_be_changed(with_tables):
    run, x = Launch(with_tables, "tables", (1, 1, 1), [7, 8]), np.zeros(2, np.float32)
    run.revalue([9, 10])
    run((x,), (x,))
    assert with_tables.calls[0][5][2]["of"].tolist() == [[9, 10]]
