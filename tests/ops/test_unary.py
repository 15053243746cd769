"""Unary elementwise ops: PyTorch's results, formulas, finite differences; what a declaration means."""

import math

import numpy as np
import pytest
from against_torch import PLACES, Place, compare, equal_in_pytorch, run

from cnnkit.backends.kernel import KERNEL_KINDS
from cnnkit.conformance.cases.elementwise import settings
from cnnkit.conformance.reference import FORMULAS
from cnnkit.ops import OPS
from cnnkit.ops.unary import UNARY, elementwise

EVERY = [(op, attrs) for name, op in UNARY.items() for attrs in settings(name, FORMULAS[name])]
every_op = pytest.mark.parametrize(("op", "attrs"), EVERY, ids=[
    "-".join([op.name, *(f"{name}={value}" for name, value in attrs.items())]) for op, attrs in EVERY])
INTEGERS = {"relu": "exact", "clone": "exact", "abs": "exact", "clip": "exact", "neg": "exact",
            "sign": "exact", "exp": "libraries differ in what they make", "log": "as exp", "sqrt": "as exp"}
NAN_HAS_NO_SLOPE = {"abs": "PyTorch's sign of NaN is 0",
                    "celu": "PyTorch's is NaN in a whole vector of the processor, 1 in what is left over"}


@pytest.fixture(params=PLACES)
def place(request):
    return Place(request.param)


@pytest.fixture(params=[*PLACES, "jax"])
def anywhere(request):
    return Place(request.param)


def within(op, values):
    """The values, brought into the op's domain."""
    return FORMULAS[op.name].within(values)


@pytest.mark.needs("torch")
@every_op
@pytest.mark.parametrize("shape", [(), (7,), (0, 3), (2, 3, 4, 5)])
def test_equals_pytorch(place, op, attrs, shape):
    x = within(op, np.random.default_rng(0).normal(0, 3, shape))
    compare(place, op, lambda t: equal_in_pytorch(op)(t, **attrs), [x], attrs)


@pytest.mark.needs("torch")
@every_op
def test_kinks_large_numbers_infinity_and_nan_are_treated_as_in_pytorch(place, op, attrs):
    x = [0.0, -0.0, 1.0, -1.0, *op.kinks(attrs)]
    for name, numbers in (("large", [1000.0, -1000.0]), ("infinities", [math.inf])):
        x += numbers if name not in FORMULAS[op.name].without else []
    x.append(math.nan)
    if op.name in NAN_HAS_NO_SLOPE:
        x.pop(-1)
    compare(place, op, lambda t: equal_in_pytorch(op)(t, **attrs), [within(op, x)], attrs)


@every_op
def test_is_its_formula_and_its_gradient_that_of_finite_differences(anywhere, op, attrs):
    x = within(op, np.linspace(-4.05, 4.05, 28))
    x = np.array([v for v in x if all(abs(v - kink) > 0.01 for kink in op.kinks(attrs))])
    (y,), (dx,) = run(anywhere, op, [x], attrs)
    value, step = FORMULAS[op.name].forward, 1e-6
    np.testing.assert_allclose(y, value(x, **attrs), **anywhere.close)
    slope = (value(x + step, **attrs) - value(x - step, **attrs)) / (2 * step)
    if anywhere.float == "float32":  # a slope near 0 is a difference of numbers near 1
        np.testing.assert_allclose(dx, slope, **anywhere.close)
    else:
        np.testing.assert_allclose(dx, slope, rtol=1e-5, atol=1e-8)


@every_op
def test_kinks_are_where_the_slope_of_the_formula_jumps(op, attrs):
    def slope(x):
        return FORMULAS[op.name].gradients(np.ones(1), np.array([x]), **attrs)[0].item()

    def jumps(x):
        return abs(slope(x + 1e-9) - slope(x - 1e-9)) > 1e-6 * (1 + abs(slope(x)))

    kinks = set(op.kinks(attrs))
    assert {x for x in {*within(op, np.arange(-160, 161) / 8).tolist(), *kinks} if jumps(x)} == kinks


@every_op
def test_nothing_is_saved_where_nothing_is_needed(place, op, attrs):
    with place.tables():
        assert op(place.array(within(op, np.ones((3, 2)))), needs=[False], **attrs)[1] is None


@every_op
def test_channels_that_lie_last_in_memory_stay_there(place, op, attrs):
    if place.backend.name not in ("numpy", "emulator"):
        pytest.skip("the library promises no order of memory")
    with place.tables():
        xp = place.backend.namespace
        x = xp.permute_dims(place.array(within(op, np.ones((2, 4, 5, 3)))), (0, 3, 1, 2))
        if xp.clip(x, 0.0, 1.0).strides != x.strides:
            pytest.skip("with NumPy 2.0, array-api-compat's clip makes arrays in C order")
        (y,), backward = op(x, needs=[True], **attrs)
        assert y.strides == x.strides
        assert backward(x)[0].strides == x.strides


@every_op
def test_integers_are_refused_but_for_exceptions(op, attrs):
    if op.name in INTEGERS:
        with np.errstate(divide="ignore"):
            assert op(np.arange(1, 3), **attrs)[0][0].shape == (2,)
    else:
        with pytest.raises(TypeError, match=f"{op.name} needs floating-point numbers; got int64"):
            op(np.arange(1, 3), **attrs)


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
    square = declared(from_dy=lambda xp, dy, n: dy, integers=True)
    assert square(np.arange(3), n=2)[0][0].tolist() == [0, 1, 4]


def test_a_setting_with_choices_takes_no_other_value(declared):
    op = declared(from_dy=lambda xp, dy, n: dy, choices={"n": (2, 3)})
    assert op(X, n=3)[0][0].tolist() == [1.0, -8.0]
    with pytest.raises(ValueError, match="power0 takes n=2 or 3; got 4"):
        op(X, n=4)


def test_kinks_may_depend_on_the_attributes():
    assert OPS["relu"].kinks({}) == (0.0,)
    assert OPS["clip"].kinks({"min": None, "max": 2.0}) == (2.0,)
    assert OPS["exp"].kinks({}) == ()


def test_the_generic_body_has_the_name_by_which_a_reader_finds_the_function():
    generic = OPS["hardswish"].generic
    assert f"{generic.__module__}.{generic.__qualname__}" == "cnnkit.ops.activation.hardswish"
