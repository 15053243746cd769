"""Unary elementwise ops: what a declaration by f and f' makes of them."""

import numpy as np
import pytest

from cnnkit.backends.kernel import KERNEL_KINDS
from cnnkit.ops import OPS
from cnnkit.ops.unary import UNARY, elementwise


@pytest.fixture
def declared():
    """A function that declares an op for the length of a test: x to the power n, for n = 2 or 3."""
    names = []

    def declare(function=lambda xp, x, n: x**n, **sheet):
        function.__name__ = f"power{len(names)}"
        names.append(function.__name__)
        return elementwise(**sheet)(function)
    yield declare
    for name in names:
        for registry in (OPS, UNARY, KERNEL_KINDS):
            registry.pop(name, None)


X, DY = np.array([1.0, -2.0]), np.array([3.0, 5.0])


def gradient(op, **attrs):
    return op(X, needs=[True], **attrs)[1](DY)[0].tolist()


def test_a_derivative_may_be_written_from_x_from_y_or_from_neither(declared):
    assert gradient(declared(from_x=lambda xp, dy, x, n: dy * n * x ** (n - 1)), n=2) == [6.0, -20.0]
    assert gradient(declared(from_y=lambda xp, dy, y, n: dy * n * y), n=2) == [6.0, 40.0]
    assert gradient(declared(from_dy=lambda xp, dy, n: dy * n), n=2) == [6.0, 10.0]


@pytest.mark.parametrize("given", [{}, {"from_x": print, "from_y": print}])
def test_there_is_exactly_one_derivative(given):
    with pytest.raises(TypeError, match=f"one derivative: from_x=.*; got {len(given)}"):
        elementwise(**given)


def test_what_the_function_keeps_goes_to_the_derivative(declared):
    op = declared(lambda xp, x, n: (x**n, x ** (n - 1)), from_x=lambda xp, dy, x, lower, n: dy * n * lower)
    assert op(X, n=3)[0][0].tolist() == [1.0, -8.0]
    assert gradient(op, n=3) == [9.0, 60.0]


def test_nothing_is_saved_where_no_gradient_is_needed(declared):
    assert declared(from_dy=lambda xp, dy, n: dy)(X, needs=[False], n=2)[1] is None


def test_integers_are_refused_unless_the_op_takes_them(declared):
    with pytest.raises(TypeError, match="power0 needs floating-point numbers; got int64"):
        declared(from_dy=lambda xp, dy, n: dy)(np.arange(3), n=2)
    assert declared(from_dy=lambda xp, dy, n: dy, integers=True)(np.arange(3), n=2)[0][0].tolist() == [0, 1, 4]


def test_a_setting_with_choices_takes_no_other_value(declared):
    op = declared(from_dy=lambda xp, dy, n: dy, choices={"n": (2, 3)})
    assert op(X, n=3)[0][0].tolist() == [1.0, -8.0]
    with pytest.raises(ValueError, match="power0 takes n=2 or 3; got 4"):
        op(X, n=4)


def test_kinks_may_depend_on_the_attributes():
    assert OPS["relu"].kinks({}) == (0.0,)
    assert OPS["clip"].kinks({"min": None, "max": 2.0}) == (2.0,)
    assert OPS["exp"].kinks({}) == ()
