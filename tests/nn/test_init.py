"""Initialisation: PyTorch's gains and bounds, the distributions' moments, the same bits everywhere."""

import math

import numpy as np
import pytest

import cnnkit
from cnnkit import nn
from cnnkit.nn import init

SHAPE = (64, 32, 3, 3)
FAN_IN, FAN_OUT = 32 * 9, 64 * 9
STDS = [  # function, arguments, standard deviation
    (init.kaiming_uniform_, {}, math.sqrt(2 / FAN_IN)),
    (init.kaiming_normal_, {"mode": "fan_out", "nonlinearity": "relu"}, math.sqrt(2 / FAN_OUT)),
    (init.kaiming_uniform_, {"a": math.sqrt(5)}, math.sqrt(1 / 3 / FAN_IN)),
    (init.kaiming_normal_, {"nonlinearity": "tanh"}, 5 / 3 / math.sqrt(FAN_IN)),
    (init.xavier_uniform_, {"gain": 2.0}, 2 * math.sqrt(2 / (FAN_IN + FAN_OUT))),
    (init.xavier_normal_, {}, math.sqrt(2 / (FAN_IN + FAN_OUT))),
    (init.uniform_, {"a": -1.0, "b": 1.0}, math.sqrt(1 / 3)),
    (init.normal_, {"std": 0.5}, 0.5),
]


@pytest.mark.parametrize(("function", "arguments", "std"), STDS)
def test_the_standard_deviation_is_what_the_formula_says(function, arguments, std):
    cnnkit.random.seed(0)
    tensor = init.empty(SHAPE, "float64")
    assert function(tensor, **arguments) is tensor
    values = tensor.numpy()
    assert values.std() == pytest.approx(std, rel=0.02)
    assert abs(values.mean()) < 4 * std / math.sqrt(values.size)
    if "uniform" in function.__name__:
        assert abs(values).max() == pytest.approx(std * math.sqrt(3), rel=1e-3)
        assert abs(values).max() <= std * math.sqrt(3)
    else:
        assert (abs(values) > 3 * std).mean() == pytest.approx(0.0027, rel=0.4)


@pytest.mark.parametrize(("function", "arguments", "std"), STDS)
def test_the_numbers_are_bit_equal_on_every_backend(function, arguments, std):
    seen = set()
    for backend in "numpy", "array-api-strict", "torch", "jax":
        try:
            tensor = init.empty((4, 3, 2), "float32", backend)
        except cnnkit.backends.Unavailable:
            continue
        cnnkit.random.seed(2)
        function(tensor, **arguments)
        assert tensor.backend == backend
        seen.add(tensor.numpy().tobytes())
    assert len(seen) == 1


def test_constants():
    tensor = init.empty((2, 2))
    assert init.ones_(tensor).tolist() == [[1, 1], [1, 1]]
    assert init.constant_(tensor, 0.5).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert init.zeros_(tensor).tolist() == [[0, 0], [0, 0]]


def test_a_parameter_keeps_its_place_and_its_requires_grad():
    weight = nn.Parameter(init.empty((2, 2)))
    init.normal_(weight)
    assert weight.requires_grad
    assert weight.is_leaf


@pytest.mark.needs("torch")
@pytest.mark.parametrize("name", ["linear", "conv1d", "conv2d", "conv3d", "sigmoid", "tanh",
                                  "relu", "leaky_relu", "selu"])
def test_gains_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert (init.calculate_gain("leaky_relu", 0.3)
            == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.3)))


def test_default_is_pytorchs_for_a_convolution_too():
    weight, bias = init.empty(SHAPE, "float64"), init.empty((64,), "float64")
    init.default_(weight, bias)
    assert abs(weight.numpy()).max() == pytest.approx(1 / math.sqrt(FAN_IN), rel=1e-3)
    assert np.all(abs(bias.numpy()) <= 1 / math.sqrt(FAN_IN))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: init.calculate_gain("swish"), "there is no gain for 'swish'; there is one for linear"),
    (lambda: init.kaiming_uniform_(init.empty((3,))),
     r"at least two axes, \(out, in, ...\); got shape \(3,\)"),
    (lambda: init.kaiming_normal_(init.empty((3, 3)), mode="fan"),
     "mode must be 'fan_in' or 'fan_out'; got 'fan'"),
])
def test_what_is_wrong_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_truncated_normal_stays_within_its_bounds():
    drawn = init.trunc_normal_(init.empty((50000,), "float64"), 1.0, 2.0, -1.0, 5.0).numpy()
    assert drawn.min() >= -1 and drawn.max() <= 5  # noqa: PT018
    assert drawn.mean() == pytest.approx(1.453, abs=0.03)  # of the formula
    far = init.trunc_normal_(init.empty((100,), "float64"), a=8.0, b=9.0).numpy()
    assert far.min() >= 8 and far.max() < 9  # noqa: PT018


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 2, 2), (2, 2, 2, 2)])
def test_orthogonal_rows_or_columns(shape):
    matrix = init.orthogonal_(init.empty(shape, "float64"), gain=2.0).numpy().reshape(shape[0], -1)
    small = matrix @ matrix.T if shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


@pytest.mark.parametrize(("shape", "groups"), [((4, 2, 3), 1), ((2, 4, 2, 3), 1), ((4, 2, 3, 3, 3), 2)])
def test_dirac_is_pytorchs(shape, groups):
    torch = pytest.importorskip("torch")
    ours = init.dirac_(init.empty(shape), groups)
    assert ours.tolist() == torch.nn.init.dirac_(torch.empty(shape), groups).tolist()


def test_sparse_columns_have_their_zeros():
    drawn = init.sparse_(init.empty((10, 4)), 0.25).numpy()
    assert (drawn == 0).sum(axis=0).tolist() == [3] * 4


def test_old_names_work_and_warn():
    tensor = init.empty((2, 2))
    with pytest.warns(FutureWarning, match="`nn.init.constant` is now deprecated in favor of"):
        assert init.constant(tensor, 3.0) is tensor
    assert tensor.tolist() == [[3.0, 3.0]] * 2
