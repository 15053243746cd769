"""The memory that NumPy's kernels work in: used again, each thread's own, and never seen in a result."""

import threading

import numpy as np
import pytest
from chains import chain
from cnnkit_numpy import window
from cnnkit_numpy.conv import conv2d
from cnnkit_numpy.conv_relu_pool import conv2d_relu_max_pool2d
from cnnkit_numpy.pool import avg_pool2d, max_pool2d

FLOAT = np.dtype(np.float32)
CONV = {"stride": (1, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 1), "groups": 1}
MAX = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)),
       "dilation": (1, 1), "ceil_mode": False}
AVG = {"kernel_size": (3, 3), "stride": (2, 2), "padding": ((1, 1), (1, 1)), "ceil_mode": False,
       "count_include_pad": True, "divisor_override": None}


def test_room_is_used_again_for_the_same_purpose():
    first, other = window.room("test", (4, 5), FLOAT), window.room("another test", (4, 5), FLOAT)
    assert np.shares_memory(first, window.room("test", (2, 3), np.dtype(np.float64)))
    assert not np.shares_memory(first, other)
    assert window.room("test", (400, 5), FLOAT).shape == (400, 5)


def test_large_rooms_are_given_back():
    size = window.KEPT // 4 + 1
    assert not np.shares_memory(window.room("test", (size,), FLOAT), window.room("test", (size,), FLOAT))


def test_room_is_each_threads_own():
    rooms = [window.room("test", (4, 5), FLOAT)]
    thread = threading.Thread(target=lambda: rooms.append(window.room("test", (4, 5), FLOAT)))
    thread.start()
    thread.join()
    assert not np.shares_memory(*rooms)


def fused(x, weight, bias, *, needs, **attrs):
    return conv2d_relu_max_pool2d(x, weight, bias, needs=(False, *needs[1:]),
                                  calls=chain(("conv", "relu", "max_pool"), (attrs, {}, MAX)))


@pytest.mark.parametrize(("kernel", "shapes", "attrs"), [
    (conv2d, [(5, 5, 16, 18), (3, 5, 3, 3), (3,)], CONV),
    (conv2d, [(5, 1, 16, 18), (8, 1, 3, 3), (8,)], CONV),
    (conv2d, [(5, 2, 16, 18), (8, 2, 3, 3), (8,)], CONV | {"stride": (2, 2)}),
    (fused, [(5, 1, 16, 18), (8, 1, 3, 3), (8,)], CONV),
    (max_pool2d, [(5, 3, 9, 8)], MAX),
    (max_pool2d, [(5, 3, 9, 8)], MAX | {"kernel_size": (3, 3), "padding": ((1, 1), (1, 1))}),
    (avg_pool2d, [(5, 3, 9, 8)], AVG),
])
def test_what_was_left_in_it_is_never_seen(kernel, shapes, attrs):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s).astype(FLOAT) for s in shapes]
    results = []
    for _ in range(2):
        y, backward = kernel(*arrays, needs=(True,) * len(arrays), **attrs)
        spoil()
        gradients = backward(y)
        spoil()
        results.append([y, *(g for g in gradients if g is not None)])
    for a, b in zip(*results):
        assert not np.isnan(a).any()
        assert a.tobytes() == b.tobytes()


def spoil():
    """Write NaN into all the room there is."""
    for room in vars(window._rooms).values():
        room.fill(0xFF)
