"""Gradient modes: coroutines that take turns, generators that are left, and what is refused."""

import asyncio
import inspect

import pytest

import cnnkit
from cnnkit import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled


def test_coroutines_that_take_turns_each_keep_their_mode():
    async def watch():
        seen = []
        for _ in range(3):
            seen.append(is_grad_enabled())
            await asyncio.sleep(0)
        return seen

    async def both():
        return await asyncio.gather(no_grad()(watch)(), watch(), enable_grad(watch)())

    assert asyncio.run(both()) == [[False] * 3, [True] * 3, [True] * 3]
    assert is_grad_enabled()


def test_a_decorated_function_is_still_of_its_kind():
    async def coroutine():
        pass

    def generator():
        yield

    assert inspect.iscoroutinefunction(no_grad()(coroutine))
    assert inspect.isgeneratorfunction(no_grad()(generator))
    assert not inspect.isgeneratorfunction(no_grad()(lambda: 0))


def test_an_error_in_a_coroutine_restores_the_mode():
    @no_grad()
    async def fails():
        await asyncio.sleep(0)
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        asyncio.run(fails())
    assert is_grad_enabled()


def test_a_generator_that_nobody_finishes_leaves_the_mode_alone():
    @no_grad()
    def endless():
        while True:
            yield is_grad_enabled()

    generator = endless()
    assert next(generator) is False
    del generator
    assert is_grad_enabled()


def test_one_object_may_be_entered_again_inside_itself():
    mode = no_grad()
    with mode:
        with mode:
            pass
        assert not is_grad_enabled()
    assert is_grad_enabled()


def test_what_a_decorated_function_makes_needs_no_gradient():
    x = cnnkit.tensor([1.0], requires_grad=True)
    for decorate in no_grad, no_grad(), inference_mode, inference_mode(), set_grad_enabled(False):
        assert not decorate(lambda: x * 2)().requires_grad
    assert is_grad_enabled()


async def _asynchronous_generator():
    yield


@pytest.mark.parametrize(("wrong", "error", "message"), [
    (lambda: no_grad(int), RuntimeError, "no_grad cannot decorate the class int.*decorate each of them"),
    (lambda: no_grad(_asynchronous_generator), TypeError,
     r"no_grad cannot decorate the asynchronous generator .*`with no_grad\(\):`"),
    (lambda: no_grad(3), TypeError, r"no_grad takes no setting; got 3.*with no_grad\(\):"),
    (lambda: set_grad_enabled(1), TypeError, r"set_grad_enabled\(\) needs True or False; got int: 1"),
])
def test_what_cannot_be_decorated_says_so(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()
