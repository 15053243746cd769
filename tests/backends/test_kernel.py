"""Kernels: the loop that asks them, how they decline, and the kinds that are declared."""

import threading

import pytest

from cnnkit import random  # noqa: F401 - declares the kernels for draws
from cnnkit.backends import KINDS, decline
from cnnkit.backends.kernel import KERNEL_KINDS, ask, declare_kernel
from cnnkit.backends.state import local
from cnnkit.data import pixels  # noqa: F401 - declares the kernel for look-ups
from cnnkit.ops import OPS
from cnnkit.ops.update import UPDATES


def test_the_first_kernel_that_serves_the_call_is_the_last_that_is_asked():
    calls = []

    def kernel(name, result):
        def called(*arguments, **settings):
            calls.append((name, arguments, settings))
            return result
        return called

    kernels = [kernel("a", NotImplemented), kernel("b", 0), kernel("c", 1)]
    assert ask(kernels, (1, 2), {"scale": 3}) == 0
    assert calls == [("a", (1, 2), {"scale": 3}), ("b", (1, 2), {"scale": 3})]


def test_what_no_kernel_serves_is_not_implemented():
    assert ask([], (1,), {}) is NotImplemented
    assert ask([lambda x: decline("no")] * 2, (1,), {}) is NotImplemented


@pytest.mark.parametrize("result", [None, 0, (), False])
def test_every_other_result_serves_the_call(result):
    assert ask([lambda: result, lambda: "another"], (), {}) is result


def test_a_kernel_that_raises_ends_the_asking():
    def kernel():
        raise ValueError("wrong label")

    with pytest.raises(ValueError, match="wrong label"):
        ask([kernel, lambda: "another"], (), {})


def test_declining_leaves_the_reason_for_who_asks():
    assert decline("float64; it serves float32") is NotImplemented
    assert local.declined == "float64; it serves float32"


def test_a_reason_stays_in_its_thread():
    decline("here")
    reasons = []

    def decline_elsewhere():
        reasons.extend([local.declined, decline("there"), local.declined])

    thread = threading.Thread(target=decline_elsewhere)
    thread.start()
    thread.join()
    assert reasons == ["", NotImplemented, "there"]
    assert local.declined == "here"


def test_a_name_is_declared_once():
    declare_kernel("sparkle", KINDS["draw"])
    try:
        assert KERNEL_KINDS["sparkle"] is KINDS["draw"]
        with pytest.raises(ValueError, match="a kernel called 'sparkle' is declared already, as draw"):
            declare_kernel("sparkle", KINDS["op"])
        assert KERNEL_KINDS["sparkle"] is KINDS["draw"]
    finally:
        del KERNEL_KINDS["sparkle"]


def test_the_kinds_of_kernels():
    assert {name: (kind.signature, kind.result) for name, kind in KINDS.items()} == {
        "op": ("kernel(*arrays, needs, **attrs)", "(outputs, backward)"),
        "chain": ("kernel(*arrays, needs, calls)", "(outputs, backward)"),
        "update": ("kernel(params, grads, state, *, workspace, **hyper)", "(new_params, new_state)"),
        "draw": ("kernel(key, shape, device)", "array of int32"),
        "look-up": ("kernel(images, values, device)", "array of float32"),
    }


def test_everything_that_asks_for_kernels_has_declared_their_kind():
    kinds = {name: kind.name for name, kind in KERNEL_KINDS.items()}
    assert kinds == {**dict.fromkeys(OPS, "op"), **dict.fromkeys(UPDATES, "update"), "random_bits": "draw",
                     "look_up": "look-up"}
