"""Calls that take one image after the other: some images at a time give the same bits."""

import numpy as np
import pytest
from cnnkit_cpu import library, slicing
from cnnkit_cpu.replay import CNativeCalls

import cnnkit
from cnnkit import functional as F
from cnnkit.backends.native import NativeSlices, PerImage

OPS = {
    "product": (16, lambda x: F.conv2d(x, cnnkit.ones(24, 16, 1, 1))),
    "product, strided": (16, lambda x: F.conv2d(x, cnnkit.ones(24, 16, 3, 3), None, 2, 1)),
    "winograd": (32, lambda x: F.conv2d(x, cnnkit.ones(32, 32, 3, 3), None, 1, 1)),
    "depthwise": (24, lambda x: F.conv2d(x, cnnkit.ones(24, 1, 3, 3), None, 1, 1, groups=24)),
    "max pooling": (32, lambda x: F.max_pool2d(x, 3, 2)),
}


class Notes:
    replays = True

    def __init__(self):
        self.calls = []

    def allocated(self, array):
        pass

    def called(self, call):
        self.calls.append(call)

    def unlike(self, reason):
        raise AssertionError(reason)


def noted(function, images):
    """What the calls are that a function makes, and its result's array."""
    notes = Notes()
    with cnnkit.no_grad(), CNativeCalls().noting(notes):
        y = function(images).numpy()
    return notes.calls, y


@pytest.mark.parametrize("name", OPS)
def test_each_images_bytes_are_those_of_its_arrays(forced, name):
    channels, function = OPS[name]
    x = cnnkit.rand(6, channels, 17, 12).contiguous(memory_format=cnnkit.channels_last)
    calls, y = noted(function, x)
    ways = [way for call in calls if (way := slicing.per_image(call)) is not None]
    assert isinstance(CNativeCalls(), NativeSlices)
    assert len(ways) >= 1
    assert (ways[-1].argument, ways[-1].images) == ("N", 6)
    assert {"x": x.numpy().nbytes // 6, "y": y.nbytes // 6} == ways[-1].nbytes


@pytest.mark.parametrize("name", OPS)
def test_an_images_bits_do_not_depend_on_how_many_there_are(forced, name):
    channels, function = OPS[name]
    x = cnnkit.rand(7, channels, 17, 12).contiguous(memory_format=cnnkit.channels_last)
    with cnnkit.no_grad():
        whole = function(x).numpy()
        for begin, end in ((0, 1), (1, 4), (4, 7)):
            assert function(x[begin:end]).numpy().tobytes() == whole[begin:end].tobytes()


def test_what_is_read_and_written_stays_in_the_caches_of_all_threads(monkeypatch):
    x = cnnkit.rand(9, 16, 16, 16).contiguous(memory_format=cnnkit.channels_last)
    monkeypatch.setattr(library, "threads", 3)
    call, = [call for call in noted(OPS["product"][1], x)[0] if call.function == "product_forward"]
    monkeypatch.setattr(slicing, "CACHE", 4 * 256 * 40)
    assert slicing.per_image(call) == PerImage("N", 9, {"x": 4 * 256 * 16, "y": 4 * 256 * 24}, 3)
    monkeypatch.setattr(slicing, "CACHE", 1)
    assert slicing.per_image(call).together == 9


def test_pooling_that_notes_its_elements_takes_all_images(two_threads):
    x = cnnkit.rand(4, 32, 8, 8).contiguous(memory_format=cnnkit.channels_last).requires_grad_()
    notes = Notes()
    with CNativeCalls().noting(notes):
        np.asarray(F.max_pool2d(x, 3, 2).detach().numpy())
    assert notes.calls
    assert not [call for call in notes.calls if slicing.per_image(call)]
