"""Functions of each element: values, gradients and dtypes."""

PREAMBLE = """
tensor, nan, inf = torch.tensor, float("nan"), float("inf")
near = lambda x: [round(v, 4) for v in x.flatten().tolist()]
def slope(function, *values):
    xs = [torch.tensor(v, requires_grad=True) for v in values]
    function(*xs).sum().backward()
    return [None if x.grad is None else near(x.grad) for x in xs]
t = tensor([1., 2.], requires_grad=True)
d = tensor([1., -2.])
i = tensor([1, 2])
b = tensor([True, False])
s = tensor(1.5)
"""
LINES = {
    # arithmetic
    "d.add(1), torch.add(d, d), torch.add(d, i, alpha=2)": [[2.0, -1.0], [2.0, -4.0], [3.0, 2.0]],
    "torch.sub(d, 1, alpha=3), d.subtract(2), torch.rsub(d, 10)": [[-2.0, -5.0], [-1.0, -4.0], [9.0, 12.0]],
    "torch.mul(d, d), d.multiply(3), torch.multiply(i, i)": [[1.0, 4.0], [3.0, -6.0], [1, 4]],
    "torch.div(i, 2), i.divide(2), torch.true_divide(i, i)": [[0.5, 1.0], [0.5, 1.0], [1.0, 1.0]],
    "torch.div(tensor([-3., 3.]), 2, rounding_mode='floor'), torch.div(tensor([-3, 3]), 2, "
    "rounding_mode='trunc')":
        [[-2.0, 1.0], [-1, 1]],
    "torch.div(d, 2, rounding_mode='up')": RuntimeError,
    "d // 1.5, i // 2, 5 // i, -i // 2": [[0.0, -2.0], [0, 1], [5, 2], [-1, -1]],
    "d % 1.5, i % 2, 5 % i, -i % 3": [[1.0, 1.0], [1, 0], [0, 1], [2, 1]],
    "torch.fmod(tensor([-3., 3.]), 2), torch.fmod(tensor([-3, 3]), -2)": [[-1.0, 1.0], [-1, 1]],
    "torch.remainder(tensor([-3., 3.]), -2), torch.remainder(-5, tensor([3]))": [[-1.0, -1.0], [1]],
    "torch.floor_divide(d, 2), d.floor_divide(tensor([2., 2.]))": [[0.0, -1.0], [0.0, -1.0]],
    "torch.pow(d, 2), d.pow(3), torch.pow(2, i), i ** 2, 2 ** i":
        [[1.0, 4.0], [1.0, -8.0], [2, 4], [1, 4], [2, 4]],
    "torch.float_power(i, 2).dtype == torch.float64": True,
    "torch.neg(d), d.negative(), -i, +d, abs(d), d.abs(), d.absolute()":
        [[-1.0, 2.0], [-1.0, 2.0], [-1, -2], [1.0, -2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]],
    "torch.positive(d)": [1.0, -2.0],
    "torch.lerp(d, d + 4, 0.5), d.lerp(d * 3, tensor([0., 1.]))": [[3.0, 0.0], [1.0, -6.0]],
    "torch.addcmul(d, d, d, value=2), torch.addcdiv(d, d, tensor([2., 4.]))": [[3.0, 6.0], [1.5, -2.5]],
    "torch.copysign(d, -d), torch.copysign(d, -1.), torch.copysign(tensor([1.]), tensor([-0.]))":
        [[-1.0, 2.0], [-1.0, -2.0], [-1.0]],
    "torch.add(i, 1, alpha=0.5)": RuntimeError, "d.add(None)": TypeError, "torch.add(d, 'a')": TypeError,
    "torch.add(input=d, other=1)": [2.0, -1.0],
    # dtypes of results
    "(i + 1.5).dtype == torch.float32, (i / 2).dtype == torch.float32, (i + 1).dtype == torch.int64":
        [True, True, True],
    "(b + 1).dtype == torch.int64, (b * 1.5).dtype == torch.float32": [True, True],
    "(b + b), (b * b), (b | b), (b & b), (b ^ b)":
        [[True, False], [True, False], [True, False], [True, False], [False, False]],
    "(i + i.to(torch.int32)).dtype == torch.int64, (i.byte() + i.char()).dtype == torch.int16": [True, True],
    "(d + torch.ones((), dtype=torch.float64)).dtype == torch.float32": True,
    "(d.half() + d).dtype == torch.float32, (d.half() + s).dtype == torch.float16, "
    "(d.double() * d).dtype == torch.float64":
        [True, True, True],
    "(i + s).dtype == torch.float32, (i.int() + tensor(5)).dtype == torch.int32": [True, True],
    "torch.sqrt(i).dtype == torch.float32, torch.exp(b).dtype == torch.float32, "
    "torch.floor(i).dtype == torch.int64":
        [True, True, True],
    "(i == 1.5).dtype == torch.bool, (d > i).dtype == torch.bool, b == 1": [True, True, [True, False]],
    "torch.maximum(i, d).dtype == torch.float32, torch.where(b, i, d).dtype == torch.float32": [True, True],
    "torch.clamp(i, 1.5).dtype == torch.float32, torch.clamp(i, 1, 1)": [True, [1, 1]],
    "i.float().pow(2).dtype == torch.float32, (2. ** i).dtype == torch.float32": [True, True],
    "(t * torch.ones(2, dtype=torch.float64)).sum().backward(); t.grad.dtype == torch.float32": True,
    "(i * True).dtype == torch.int64, (b * True).dtype == torch.bool, (b + True).dtype == torch.bool":
        [True, True, True],
    # powers, exponentials, logarithms
    "near(torch.exp(d)), near(torch.exp2(d)), near(torch.expm1(d))":
        [[2.7183, 0.1353], [2.0, 0.25], [1.7183, -0.8647]],
    "near(torch.log(tensor([1., 2.]))), near(tensor([1., 2.]).log2()), near(torch.log10(i)), "
    "near(torch.log1p(i))":
        [[0.0, 0.6931], [0.0, 1.0], [0.0, 0.301], [0.6931, 1.0986]],
    "near(torch.sqrt(i)), near(torch.rsqrt(i)), near(d.square()), near(torch.reciprocal(i))":
        [[1.0, 1.4142], [1.0, 0.7071], [1.0, 4.0], [1.0, 0.5]],
    "near(torch.erf(d)), near(torch.erfc(d)), near(torch.sigmoid(d)), near(torch.tanh(d))":
        [[0.8427, -0.9953], [0.1573, 1.9953], [0.7311, 0.1192], [0.7616, -0.964]],
    "near(torch.logit(tensor([0.2, 0.5]))), torch.logit(tensor([0., 1.]), eps=0.5)":
        [[-1.3863, 0.0], [0.0, 0.0]],
    "near(torch.logaddexp(d, d)), near(torch.logaddexp2(d, d)), torch.logaddexp(tensor([inf, -inf]), "
    "tensor([inf, -inf]))":
        [[1.6931, -1.3069], [2.0, -1.0], [float("inf"), -float("inf")]],
    "torch.xlogy(tensor([0., 1., 2.]), tensor([0., 1., 1.])), torch.xlogy(0, d), near(torch.xlogy(d, 2))":
        [[0.0, 0.0, 0.0], [0.0, 0.0], [0.6931, -1.3863]],
    "slope(torch.exp, [0., 1.])": [[1.0, 2.7183]], "slope(torch.sqrt, [4., 1.])": [[0.25, 0.5]],
    "slope(torch.logaddexp, [1., 2.], [1., 0.])": [[0.5, 0.8808], [0.5, 0.1192]],
    "slope(torch.xlogy, [0., 2.], [3., 2.])": [[1.0986, 0.6931], [0.0, 1.0]],
    "slope(torch.square, [3.])": [[6.0]], "slope(torch.rsqrt, [4.])": [[-0.0625]],
    "slope(torch.erf, [0.])": [[1.1284]], "slope(torch.tanh, [0.])": [[1.0]],
    # angles
    "near(torch.sin(d)), near(torch.cos(d)), near(torch.tan(d))":
        [[0.8415, -0.9093], [0.5403, -0.4161], [1.5574, 2.185]],
    "near(torch.asin(d / 2)), near(torch.acos(d / 2)), near(torch.atan(d))":
        [[0.5236, -1.5708], [1.0472, 3.1416], [0.7854, -1.1071]],
    "near(torch.arcsin(d / 2)), near(torch.arccos(d / 2)), near(d.arctan())":
        [[0.5236, -1.5708], [1.0472, 3.1416], [0.7854, -1.1071]],
    "near(torch.sinh(d)), near(torch.cosh(d)), near(torch.asinh(d)), near(torch.acosh(i)), "
    "near(torch.atanh(d / 4))":
        [[1.1752, -3.6269], [1.5431, 3.7622], [0.8814, -1.4436], [0.0, 1.317], [0.2554, -0.5493]],
    "near(torch.atan2(d, tensor([-1., 0.]))), near(torch.arctan2(d, d)), near(torch.hypot(d, d))":
        [[2.3562, -1.5708], [0.7854, -2.3562], [1.4142, 2.8284]],
    "near(torch.deg2rad(d)), near(torch.rad2deg(d)), near(torch.sinc(d / 4)), torch.sinc(tensor([0.]))":
        [[0.0175, -0.0349], [57.2958, -114.5916], [0.9003, 0.6366], [1.0]],
    "slope(torch.sin, [0.])": [[1.0]], "slope(torch.atan2, [0., 1.], [0., 2.])": [[0.0, 0.4], [-0.0, -0.2]],
    "slope(torch.sinc, [0., 0.5])": [[0.0, -1.2732]],
    # rounding
    "torch.floor(tensor([-1.5, 1.5])), torch.ceil(tensor([-1.5, 1.5])), torch.trunc(tensor([-1.5, "
    "1.5])), torch.fix(tensor([1.5]))":
        [[-2.0, 1.0], [-1.0, 2.0], [-1.0, 1.0], [1.0]],
    "torch.round(tensor([0.5, 1.5, -2.5])), torch.round(tensor([123.456]), decimals=-1)":
        [[0.0, 2.0, -2.0], [120.0]],
    "torch.frac(tensor([-1.5, 2.25])), torch.sign(tensor([-2., 0., nan])), torch.sgn(i), torch.sign(b)":
        [[-0.5, 0.25], [-1.0, 0.0, 0.0], [1, 1], [True, False]],
    "slope(torch.floor, [1.5])": [[0.0]], "slope(torch.frac, [1.5])": [[1.0]],
    "slope(torch.sign, [1.5])": [[0.0]],
    "torch.signbit(tensor([-0., 1.])), torch.signbit(-i)": [[True, False], [True, True]],
    # comparisons
    "torch.eq(d, 1), d.ne(1), torch.lt(d, 0), d.le(1), torch.gt(d, d), d.ge(d)":
        [[True, False], [False, True], [False, True], [True, True], [False, False], [True, True]],
    "torch.equal(d, d), torch.equal(d, i), torch.equal(i, tensor([1])), d.equal(d.clone())":
        [True, False, False, True],
    "torch.less(i, 2), torch.greater_equal(i, 2), torch.not_equal(i, 2)":
        [[True, False], [False, True], [True, False]],
    "torch.isnan(tensor([nan, 1.])), torch.isinf(tensor([-inf, 1.])), torch.isfinite(tensor([nan, inf, "
    "1.])), torch.isfinite(i)":
        [[True, False], [True, False], [False, False, True], [True, True]],
    "torch.isposinf(tensor([inf, -inf])), torch.isneginf(tensor([inf, -inf])), torch.isreal(tensor([nan]))":
        [[True, False], [False, True], [True]],
    "torch.isclose(d, d + 1e-9), torch.allclose(d, d * 2), torch.allclose(tensor([nan]), tensor([nan]))":
        [[True, True], False, False],
    "torch.allclose(tensor([nan, inf]), tensor([nan, inf]), equal_nan=True), torch.isclose(tensor([inf, "
    "-inf]), tensor([inf, inf]))":
        [True, [True, False]],
    "torch.isclose(d, i)": RuntimeError, "torch.isclose(d, d, rtol=-1.)": RuntimeError,
    "torch.heaviside(tensor([-1., 0., 2.]), tensor(0.5)), torch.heaviside(tensor([0.]), tensor([7.]))":
        [[0.0, 0.5, 1.0], [7.0]],
    # logic
    "torch.logical_and(i, b), torch.logical_or(d, b), torch.logical_xor(b, b), "
    "torch.logical_not(tensor([0., 2.])), b.logical_not()":
        [[True, False], [True, True], [False, False], [True, False], [False, True]],
    "i & 1, i | 4, i ^ 3, ~i, i << 2, i >> 1, 1 << i, 6 & i":
        [[1, 0], [5, 6], [2, 1], [-2, -3], [4, 8], [0, 1], [2, 4], [0, 2]],
    "~b, b & True, b | tensor([False, True]), True ^ b":
        [[False, True], [True, False], [True, True], [False, True]],
    "d & 1": NotImplementedError, "~d": TypeError,
    "torch.bitwise_and(i, i), torch.bitwise_or(i, 1), torch.bitwise_xor(b, b), torch.bitwise_not(i), "
    "torch.bitwise_left_shift(i, 1), torch.bitwise_right_shift(i, 1)":
        [[1, 2], [1, 3], [False, False], [-2, -3], [2, 4], [0, 1]],
    "b & None": TypeError, "i.bitwise_and(3)": [1, 2],
    # limits
    "torch.clamp(d, 0), d.clamp(max=0), torch.clamp(d, -1, 1), d.clip(0, 1), d.clamp_min(0), "
    "d.clamp_max(0)":
        [[1.0, 0.0], [0.0, -2.0], [1.0, -1.0], [1.0, 0.0], [1.0, 0.0], [0.0, -2.0]],
    "torch.clamp(d)": RuntimeError,
    "torch.clamp(d, min=tensor([0., 0.])), torch.clamp(d, tensor([2., 0.]), tensor([1., 5.]))":
        [[1.0, 0.0], [1.0, 0.0]],
    "torch.clamp(d, 3, 1), torch.clamp(tensor([nan]), 0, 1).isnan()": [[1.0, 1.0], [True]],
    "torch.maximum(d, -d), torch.minimum(d, -d), torch.maximum(tensor([nan]), tensor([1.])).isnan(), "
    "torch.fmax(tensor([nan]), tensor([1.])), torch.fmin(tensor([nan]), tensor([1.]))":
        [[1.0, 2.0], [-1.0, -2.0], [True], [1.0], [1.0]],
    "torch.maximum(d, 1)": TypeError, "slope(torch.maximum, [1., 3.], [1., 2.])": [[0.5, 1.0], [0.5, 0.0]],
    "slope(torch.minimum, [1., 3.], [1., 2.])": [[0.5, 0.0], [0.5, 1.0]],
    "slope(lambda x: x.clamp(0, 1), [-1., 0., 0.5, 1., 2.])": [[0.0, 1.0, 1.0, 1.0, 0.0]],
    "slope(torch.clamp, [1., 3.], [2., 2.])": [[0.0, 1.0], [1.0, 0.0]],
    "torch.nan_to_num(tensor([nan, inf, 1.]), 5., 6.), torch.nan_to_num(i), "
    "torch.nan_to_num(tensor([-inf]), neginf=-3.)":
        [[5.0, 6.0, 1.0], [1, 2], [-3.0]],
    "torch.where(b, d, 0.), torch.where(b, 1, i), torch.where(b, 1., 2.), d.where(b, tensor(9.))":
        [[1.0, 0.0], [1, 2], [1.0, 2.0], [1.0, 9.0]],
    "torch.where(i, d, d)": RuntimeError, "torch.where(b)": [[0]],
    "slope(lambda x, y: torch.where(b, x, y), [1., 2.], [3., 4.])": [[1.0, 0.0], [0.0, 1.0]],
    # activations
    "torch.relu(d), d.relu(), near(torch.selu(d)), near(d.sigmoid()), near(d.tanh())":
        [[1.0, 0.0], [1.0, 0.0], [1.0507, -1.5202], [0.7311, 0.1192], [0.7616, -0.964]],
    "near(torch.softmax(d, 0)), near(d.softmax(-1)), near(torch.log_softmax(d, dim=0)), "
    "near(d.log_softmax(0))":
        [[0.9526, 0.0474], [0.9526, 0.0474], [-0.0486, -3.0486], [-0.0486, -3.0486]],
    "torch.softmax(d, 1)": IndexError,
    "torch.softmax(s, 0), d.softmax(0, dtype=torch.float64).dtype == torch.float64": [1.0, True],
    "torch.softmax(i, 0, dtype=torch.float32).shape": [2],
}
ON_NUMPY_ONLY = {line for line in LINES  # JAX lacks 64 bits; a strict library adds no truth values
                 if "int64" in line or "float64" in line or "double" in line or "(b + b)" in line}
DIFFERENT = {
    "i ** -1": (ValueError, RuntimeError),
    "-b": (TypeError, RuntimeError),
    "b - b": (TypeError, RuntimeError),
}
