"""Gradients of Tensors: how leaves add them up, hooks, and gradients that are kept."""

import sys
import threading
import time

import numpy as np
import pytest

from cnnkit import Tensor, tensor


def leaf(*shape, seed=0):
    return tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=True)


def test_leaf_gradients_accumulate_over_backwards_without_touching_the_first():
    x = tensor([1.0], requires_grad=True)
    (x * 2).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert (first.item(), x.grad.item()) == (2, 5)


def test_two_leaves_never_share_one_growing_gradient():
    x, y = tensor([1.0], requires_grad=True), tensor([1.0], requires_grad=True)
    (x + y).sum().backward()
    (x * 5).sum().backward()
    assert (x.grad.item(), y.grad.item()) == (6, 1)


def test_retain_grad_keeps_the_gradient_of_a_result():
    x = tensor([1.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    (y * 3).sum().backward()
    assert y.grad.item() == 3


def test_a_hook_may_replace_the_gradient_and_be_removed():
    x = tensor([1.0], requires_grad=True)
    handle = x.register_hook(lambda dx: dx * 10)
    (x * 2).sum().backward()
    handle.remove()
    (x * 2).sum().backward()
    assert x.grad.item() == 22


def test_gradients_of_0d_leaves_stay_arrays():
    x = tensor(1.0, requires_grad=True)
    for _ in range(2):
        (x * 1 + x * 2).backward()
    assert type(x.grad.array) is np.ndarray
    assert x.grad.item() == 6


def test_a_gradient_that_is_given_takes_the_tensors_dtype():
    x = tensor([1.0, 2.0], requires_grad=True)
    (x * 1).backward(np.array([1.0, 2.0]))
    (x * 1).backward(tensor([1.0, 2.0], dtype="float64"))
    x.register_hook(lambda dx: dx.to(dtype="float64"))
    (x * 1).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [3, 5]


@pytest.mark.parametrize("wrong", [lambda dx: dx.sum(), lambda dx: 1.0])
def test_a_hook_that_returns_no_gradient_is_refused(wrong):
    x = tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(wrong)
    with pytest.raises(ValueError, match=r"a gradient hook must return a Tensor of shape \(2,\) or None"):
        (x * 1).sum().backward()


def test_threads_that_go_back_to_shared_leaves_lose_no_gradient():
    weight, rounds = tensor([1.0, 2.0], requires_grad=True), 3

    def yields(frame, event, arg):  # every line of the addition lets the other threads run
        if frame.f_code is not Tensor._add_grad.__code__:
            return None
        if event == "line":
            time.sleep(0.001)
        return yields

    def work():
        sys.settrace(yields)
        for _ in range(rounds):
            (weight * 2).sum().backward()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert weight.grad.tolist() == [2.0 * 4 * rounds] * 2
