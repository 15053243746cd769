"""C calls that are noted and made again."""

import ctypes
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from cnnkit_cpu import library, replay
from cnnkit_cpu.activation import add, function_of
from cnnkit_cpu.library import FUNCTIONS, ROLES, address
from cnnkit_cpu.memory import empty, packed

from cnnkit.backends.c_integers import array_of
from cnnkit.backends.native import BoundCall, Place

LIST = (Path(library.__file__).parent / "src" / "core" / "replayed.inc").read_text()
LISTED = re.findall(r"^REPLAYED\((\w+)\)$", LIST, re.MULTILINE)

pytestmark = pytest.mark.skipif(not library.libraries, reason=library.REASON)


class Notes:
    replays = True

    def __init__(self):
        self.arrays, self.calls, self.reasons = [], [], []

    def allocated(self, array):
        self.arrays.append(array)

    def called(self, call):
        self.calls.append(call)

    def unlike(self, reason):
        self.reasons.append(reason)


def test_the_list_that_setup_py_has_written_is_that_of_the_declared_functions():
    pointers = ctypes.c_char_p, ctypes.c_void_p
    without = {"replay", *(name for name, (result, _) in FUNCTIONS.items() if result in pointers)}
    assert set(LISTED) == FUNCTIONS.keys() - without
    assert {name for name in FUNCTIONS if library.active.replay_function(name.encode())} == set(LISTED)


def test_the_roles_of_arguments_are_read_from_the_declaration():
    assert dict(ROLES["product_forward"]) == {
        "threads": "number", "shape": "held", "N": "number", "x": "read", "weight": "read", "filters": "read",
        "bias": "read", "addend": "read", "function": "number", "a": "number", "b": "number", "y": "write",
        "room": "write"}
    assert ROLES["join_rows"] == (("threads", "number"), ("arrays", "number"), ("rows", "number"),
                                  ("sizes", "held"), ("from", "reads"), ("to", "write"))
    assert dict(ROLES["sgd"])["out"] == "writes"


LEAKY = function_of("leaky_relu", {"negative_slope": 0.25})


def relu(x):
    y = empty(x.shape)
    library.active.activation_forward(1, *LEAKY, x.size, address(x), address(y))
    return y


def noted(x):
    notes, native = Notes(), replay.CNativeCalls()
    with native.noting(notes):
        y = relu(x)
    return y, notes, native


def test_a_call_is_made_again_on_other_memory():
    x = np.array([-4.0, 2.0, -8.0], np.float32)
    y, notes, native = noted(x)
    call, = notes.calls
    assert (call.function, call.result, notes.reasons) == ("activation_forward", None, [])
    assert [array.tolist() for array in notes.arrays] == [[-1, 2, -2]]
    assert [argument.value for argument in call.arguments] == [1, *LEAKY, 3, address(x), address(y)]
    places = [None] * (2 + len(LEAKY)) + [Place(0, 4), Place(1, 0)]
    others, results = np.array([9, -16, 1, -4], np.float32), np.zeros(3, np.float32)
    bases = native.bases(2)
    bases[0], bases[1] = address(others), address(results)
    assert native.build([BoundCall(call, places, None)]).run(bases) == 0
    assert results.tolist() == [-4, 1, -1]


def test_a_call_that_returns_something_else_ends_the_list():
    x = np.array([1.0, 2.0], np.float32)
    notes, native = Notes(), replay.CNativeCalls()
    with native.noting(notes):
        assert library.active.cpu_tame(x.size, address(x)) == 1
    executable = native.build([BoundCall(notes.calls[0], [None, Place(0, 0)], None)] * 2)
    bases = native.bases(1)
    bases[0] = address(x)
    assert executable.run(bases) == 0
    x[0] = np.inf
    assert executable.run(bases) == 1


def watched(*arrays):
    native = replay.CNativeCalls()
    changed, bases = native.watch([(Place(n, 0), a.nbytes) for n, a in enumerate(arrays)]), native.bases(9)
    for n, array in enumerate(arrays):
        bases[n] = address(array)
    return lambda: changed(bases, False)


def test_each_number_of_watched_memory_counts(forced, two_threads):
    arrays = [np.zeros(n, np.float32) for n in (1, 67, 1025, 40_000)]
    changed = watched(*arrays)
    assert [changed(), changed()] == [True, False]
    for array in arrays:
        for place in {0, len(array) // 2, len(array) - 1}:
            array.view(np.uint32)[place] ^= 1 << 31  # minus zero
            assert [changed(), changed()] == [True, False]


def test_numbers_that_change_places_are_seen(forced):
    array = np.arange(50_000, dtype=np.float32)
    changed = watched(array)
    for other in (1, 16, 128, 1024, 32_768, 49_999):
        changed()
        array[[0, other]] = array[[other, 0]]
        assert changed()


def test_functions_are_their_own_again_afterwards():
    before = library.active.relu_forward
    _, notes, native = noted(np.ones(2, np.float32))
    assert library.active.relu_forward is before
    with native.noting(notes):
        assert library.active.relu_forward is not before
    with pytest.raises(KeyError), native.noting(notes):
        raise KeyError
    assert library.active.relu_forward is before
    assert not library.noting


def test_other_threads_are_not_noted():
    notes, native = Notes(), replay.CNativeCalls()
    with native.noting(notes):
        thread = threading.Thread(target=relu, args=(np.ones(3, np.float32),))
        thread.start()
        thread.join()
        assert not notes.calls
        assert not notes.arrays
        relu(np.ones(3, np.float32))
    assert len(notes.calls) == len(notes.arrays) == 1


@pytest.mark.parametrize(("value", "c_type"), [
    (-7, ctypes.c_int), (2**31 + 5, ctypes.c_uint32), (-2**60, ctypes.c_long), (0.1, ctypes.c_float),
    (-1e300, ctypes.c_double), (True, ctypes.c_int)])
def test_numbers_fit_into_a_slot(value, c_type):
    slot = ctypes.c_int64(replay._as_slot(value, c_type))
    seen = ctypes.cast(ctypes.byref(slot), ctypes.POINTER(c_type)).contents.value
    assert seen == c_type(value).value


def test_where_an_array_is():
    native, whole = replay.CNativeCalls(), np.zeros((4, 6), np.float32)
    assert native.where(whole)[:2] == (address(whole), 96)
    part = whole[1:3, ::-2]
    first, size, owner = native.where(part)
    assert owner is whole
    assert (first - address(whole), size) == (24 + 4, 24 + 20 - 4 + 4 - 0)
    assert native.where(whole[:0])[1] == 0


WHOLE = np.arange(2 * 3 * 4 * 10, dtype=np.float32).reshape(2, 3, 4, 10)


@pytest.mark.parametrize("array", [
    WHOLE[:, 1:, ::2, 3:], WHOLE[..., ::-1], WHOLE.transpose(3, 1, 0, 2), WHOLE[0, :, 1:3].T,
    WHOLE[0, 0, 0, ::3], np.broadcast_to(WHOLE[:, :1, :1], WHOLE.shape), WHOLE[:, :0, ::2]],
    ids=lambda a: f"{a.shape} {a.strides}")
def test_copies_in_order_are_calls(array):
    notes = Notes()
    with replay.CNativeCalls().noting(notes):
        copy = packed(array)
    assert (notes.reasons, len(notes.calls)) == ([], int(not array.flags.c_contiguous))
    assert copy.flags.c_contiguous
    assert (copy == array).all()


@pytest.mark.parametrize("array", [WHOLE.astype(np.int64)[..., ::2], WHOLE.astype(float)[::-1]], ids=str)
def test_copies_of_other_numbers_are_said(array):
    notes = Notes()
    with replay.CNativeCalls().noting(notes):
        assert (packed(array) == array).all()
    assert notes.reasons == ["NumPy copies an array"]


def test_a_call_takes_tables_of_addresses_held_arrays_and_numbers_that_are_set():
    p, g = (np.array(values, np.float32) for values in ([1.0, 2.0], [0.5, -1.0]))
    notes, native, out = Notes(), replay.CNativeCalls(), empty((2,))
    tables = [(ctypes.c_void_p * 1)(address(array)) for array in (p, g, out)]
    with native.noting(notes):
        library.active.sgd(1, 1, array_of(ctypes.c_long, "sizes", 2), *tables[:2], None, None, None,
                           tables[2], 0.5, 0.0, 1.0, 0.0, 0, 0)
    call, = notes.calls
    assert [a.kind for a in call.arguments[2:8]] == ["held", "reads", "reads", "number", "number", "number"]
    assert call.arguments[8].value == (address(out),)
    places = [(Place(n, 0),) if n >= 0 else None for n in (-1, -1, -1, 0, 1, -1, -1, -1, 2, *[-1] * 6)]
    executable = native.build([BoundCall(call, places, None)])
    bases, after = native.bases(3), np.zeros(2, np.float32)
    for rate, expected in ((0.5, [0.75, 2.5]), (2.0, [0, 4])):
        executable.set_number(0, "lr", rate)
        for n, array in enumerate((p, g, after)):
            bases[n] = address(array)
        assert executable.run(bases) == 0
        assert after.tolist() == expected
    executable.set_number(0, "sizes", array_of(ctypes.c_long, "sizes", 1))
    executable.set_number(0, "lr", 0.0)
    executable.run(bases)
    assert after.tolist() == [1, 4]


@pytest.mark.parametrize("orders", [((0, 1, 2, 3), (0, 1, 2, 3)), ((0, 1, 2, 3), (0, 2, 3, 1)),
                                    ((0, 2, 3, 1), (0, 2, 3, 1)), ((0, 2, 3, 1), (0, 1, 2, 3)),
                                    ((1, 0, 2, 3), (1, 0, 2, 3))], ids=str)
def test_small_sums_have_the_order_of_memory_that_numpy_gives_them(orders):
    x, y = (np.ascontiguousarray(WHOLE[:, :, :3, :3].transpose(order)).transpose(np.argsort(order))
            for order in orders)
    with replay.CNativeCalls().noting(Notes()):
        result = add(x, y, needs=(False, False))
    if result is not NotImplemented:
        assert result[0].strides == (x + y).strides
        assert (result[0] == x + y).all()
    assert (result is NotImplemented) == (orders[0] != orders[1] or orders[0][0] == 1)
