"""Gradients of inputs alone, gradients of gradients, functions with a gradient of one's own, and checks."""

import gc
import weakref

import numpy as np
import pytest
from loopback import loopback

import cnnkit
from cnnkit import conformance, nn, tensor
from cnnkit import functional as F
from cnnkit.autograd import Function, apply, functional, grad, gradcheck, gradgradcheck
from cnnkit.autograd.checking import GradcheckError
from cnnkit.autograd.function import once_differentiable
from cnnkit.conformance.expected import expected
from cnnkit.ops import OPS


def leaf(*values):
    return tensor(np.array(values), requires_grad=True)


# -- every op ------------------------------------------------------------------------------------------------

POSITIVE = ("acosh", "batch_norm", "log", "log10", "log1p", "log2", "pow", "sqrt")


def a_case(name):
    """An op's first small case: its arrays, of numbers far from kinks, their needs, and its attributes."""
    for case in conformance.SINGLE:
        arrays = expected(case, "float64").inputs if case.op == name else ()
        sizes = [a.size for a in arrays if isinstance(a, np.ndarray)]
        if not sizes or sum(sizes) > 120 or 0 in sizes:
            continue
        attrs = dict(case.attrs)
        if attrs.get("dtype") == "float32":  # differences want more digits
            attrs["dtype"] = "float64"
        rng = np.random.default_rng(0)
        return [moved(name, a, rng) for a in arrays], case.needs, attrs
    raise AssertionError(f"{name} has no small case")


def moved(name, array, rng):
    """Other numbers: between 1.2 and 1.9 where an op wants them, or between 0.2 and 0.9, of both signs."""
    if name == "max_unpool" and array.dtype.kind == "i":  # several numbers in one place share no gradient
        return np.broadcast_to(np.arange(array[0, 0].size).reshape(array.shape[2:]), array.shape)
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        return array
    if name in POSITIVE:
        return np.asarray(rng.uniform(1.2, 1.9, array.shape))
    return np.asarray(rng.uniform(0.2, 0.9, array.shape) * rng.choice([-1.0, 1.0], array.shape))


@pytest.mark.heavy
@pytest.mark.parametrize("name", sorted(name for name, op in OPS.items() if op.differentiable))
def test_every_op_has_second_derivatives(name):
    arrays, needs, attrs = a_case(name)
    given = [tensor(a, requires_grad=needed and a.dtype.kind == "f") if isinstance(a, np.ndarray) else a
             for a, needed in zip(arrays, needs)]

    def call(*inputs):
        if name == "ctc":  # its gradient is PyTorch's: that with respect to what log_softmax was given
            inputs = (F.log_softmax(inputs[0], dim=2), *inputs[1:])
        result = apply(OPS[name], *inputs, **attrs)
        return result[0] if isinstance(result, tuple) else result

    assert gradcheck(call, given)
    assert gradgradcheck(call, given)


# -- gradients of gradients ----------------------------------------------------------------------------------

def test_a_gradient_can_be_differentiated_again_and_again():
    x = leaf(2.0)
    y = (x ** 4).sum()
    found = []
    for _ in range(4):
        y, = grad(y, x, create_graph=True)
        found.append(y.item())
    assert found == [32.0, 48.0, 48.0, 24.0]


def test_backward_with_create_graph_records_the_gradient_of_leaves():
    x = leaf(1.0, 2.0)
    (x ** 3).sum().backward(create_graph=True)
    (x.grad ** 2).sum().backward()  # of 9 x ** 4: adds 36 x ** 3
    assert x.grad.tolist() == [3.0 + 36.0, 12.0 + 288.0]


@pytest.mark.parametrize("fused", [True, False])
def test_the_penalty_of_a_gradient_trains_a_network_with_fused_kernels_too(fused):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            rng = np.random.default_rng(0)
            self.weight = nn.Parameter(rng.standard_normal((2, 1, 3, 3)))
            self.norm = nn.BatchNorm2d(2)
            self.head = nn.Parameter(rng.standard_normal((1, 18)))

        def forward(self, x):
            y = F.max_pool2d(F.relu(F.conv2d(x, self.weight, padding=1)), 2)
            return F.linear(y.flatten(1), self.head)

    net = Net()

    def penalty(weight):
        x = tensor(np.random.default_rng(1).standard_normal((2, 1, 6, 6)), requires_grad=True)
        with cnnkit.no_grad():
            net.weight.copy_(tensor(weight))
        with loopback() if fused else cnnkit.backends.tables() as table:
            slope, = grad(net(x).sum(), x, create_graph=True)
            value = ((slope * slope).sum(dim=(1, 2, 3)).sqrt() - 1) ** 2
            if fused:
                assert ("conv", "relu", "max_pool") in table.calls
            return value.sum()

    weight = net.weight.numpy().copy()
    penalty(weight).backward()
    direction = np.random.default_rng(2).standard_normal(weight.shape)
    step = 1e-6 * direction
    numeric = (penalty(weight + step).item() - penalty(weight - step).item()) / 2e-6
    assert (net.weight.grad.numpy() * direction).sum() == pytest.approx(numeric, rel=1e-6)
    assert net.head.grad is not None


def test_second_derivatives_on_every_backend(backend):
    x = cnnkit.Tensor(backend.asarray(np.array([[0.5, 1.0], [2.0, 3.0]], np.float32)), requires_grad=True)
    y = (F.softmax(x @ x, 1).log() * x).sum()
    slope, = grad(y, x, create_graph=True)
    curvature, = grad((slope * slope).sum(), x)
    with cnnkit.use("numpy"):
        z = tensor(x.numpy(), dtype="float64", requires_grad=True)
        slope, = grad((F.softmax(z @ z, 1).log() * z).sum(), z, create_graph=True)
        expected, = grad((slope * slope).sum(), z)
    np.testing.assert_allclose(curvature.numpy(), expected.numpy(), rtol=2e-3)


def test_what_is_recorded_again_repeats_dropout():
    x = leaf(*np.arange(1.0, 9.0))
    y = (F.dropout(x, 0.5) ** 3).sum()
    first, = grad(y, x, create_graph=True)
    again, = grad(y, x, retain_graph=True)
    np.testing.assert_allclose(first.numpy(), again.numpy())


def test_a_leaf_that_has_changed_is_refused_where_it_would_be_computed_with_again():
    x, b = leaf(1.0), leaf(2.0)
    y = ((x + b) ** 3).sum()
    with cnnkit.no_grad():
        b.add_(1)
    with pytest.raises(RuntimeError, match="a leaf that it used was changed in place"):
        grad(y, x, create_graph=True)


def test_no_array_is_kept_for_second_derivatives_that_nobody_asks_for():
    x = leaf(1.0)
    middle = x + 1
    kept = weakref.ref(middle)
    y = (middle + 1) + 1
    del middle
    gc.collect()
    assert kept() is None
    assert grad(y, x, create_graph=True)[0].tolist() == [1.0]


# -- grad() and backward() -----------------------------------------------------------------------------------

def test_grad_leaves_grad_alone_and_takes_results_as_inputs():
    x = leaf(1.0, 2.0)
    y = x * x
    z = (y * 3).sum()
    dy, dx = grad(z, [y, x])
    assert (dy.tolist(), dx.tolist(), x.grad) == ([3.0, 3.0], [6.0, 12.0], None)


def test_grad_walks_only_what_leads_to_the_inputs():
    x, w = leaf(1.0), leaf(2.0)
    side = w * w
    z = (x * 3 + side * w).sum()
    with cnnkit.no_grad():
        w.add_(1)  # which the gradient of w would need
    assert grad(z, x)[0].tolist() == [3.0]
    with pytest.raises(RuntimeError, match="changed in place"):
        grad((leaf(1.0) * x + side * w).sum(), w)


def test_an_input_that_was_not_used_is_an_error_or_none_or_zeros():
    x, other = leaf(1.0), leaf(1.0, 2.0)
    y = (x * 2).sum()
    with pytest.raises(RuntimeError, match="was not used"):
        grad(y, [x, other], retain_graph=True)
    assert grad(y, [other], retain_graph=True, allow_unused=True) == (None,)
    assert grad(y, [other], materialize_grads=True)[0].tolist() == [0.0, 0.0]


def test_backward_of_several_outputs_and_for_some_inputs():
    x, w = leaf(2.0), leaf(3.0)
    cnnkit.autograd.backward([(x * w).sum(), x], [None, tensor(np.array([10.0]))], inputs=[x])
    assert (x.grad.tolist(), w.grad) == ([13.0], None)


def test_hooks_and_kept_gradients_see_recorded_gradients():
    x = leaf(2.0)
    y = x * x
    y.retain_grad()
    seen = []
    y.register_hook(lambda g: seen.append(g.requires_grad) or g * 2)
    x.register_hook(lambda g: g + 1)
    (y * y).sum().backward(create_graph=True)
    assert seen == [True]
    assert (y.grad.tolist(), x.grad.tolist()) == ([16.0], [65.0])
    assert x.grad.requires_grad


# -- functional ----------------------------------------------------------------------------------------------

def test_derivatives_of_functions_agree_with_pytorch():
    torch = pytest.importorskip("torch")
    a, b = np.array([0.5, 2.0]), np.array([[1.0, 2.0], [3.0, 4.0]])

    def pair(x, y):
        return (x * x) @ y, (y * x).exp()

    def one(x, y):
        return ((y @ x) ** 3).sum()

    def same(mine, its):
        if isinstance(mine, tuple):
            assert len(mine) == len(its)
            for m, i in zip(mine, its):
                same(m, i)
        else:
            np.testing.assert_allclose(mine.numpy(), its.numpy())

    ours, theirs = (tensor(a), tensor(b)), (torch.tensor(a), torch.tensor(b))
    library = torch.autograd.functional
    same(functional.jacobian(pair, ours), library.jacobian(pair, theirs))
    same(functional.jacobian(cnnkit.sin, ours[0]), library.jacobian(torch.sin, theirs[0]))
    same(functional.hessian(one, ours), library.hessian(one, theirs))
    same(functional.vjp(pair, ours, (ours[0], ours[1])), library.vjp(pair, theirs, (theirs[0], theirs[1])))
    same(functional.jvp(pair, ours, ours), library.jvp(pair, theirs, theirs))
    same(functional.vhp(one, ours, ours), library.vhp(one, theirs, theirs))
    same(functional.hvp(one, ours, ours), library.hvp(one, theirs, theirs))


def test_a_jacobian_can_be_differentiated():
    x = leaf(1.0, 2.0)
    jacobian = functional.jacobian(lambda x: x ** 3, x, create_graph=True)
    assert grad(jacobian.sum(), x)[0].tolist() == [6.0, 12.0]


# -- Function ------------------------------------------------------------------------------------------------

class Exponential(Function):
    @staticmethod
    def forward(ctx, x, scale):
        y = (x * scale).exp()
        ctx.save_for_backward(y)
        ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx, dy):
        y, = ctx.saved_tensors
        return dy * y * ctx.scale, None


def test_a_function_has_the_gradient_that_it_says_and_that_ones_gradient():
    x = leaf(0.5, 1.0)
    assert gradcheck(lambda x: Exponential.apply(x, 2.0), x)
    assert gradgradcheck(lambda x: Exponential.apply(x * 1, 2.0) ** 2, x)


def test_a_function_is_freed_with_its_result():
    x = leaf(0.5)
    y = Exponential.apply(x, 1.0)
    node = weakref.ref(y._source[0])
    gc.disable()
    del y
    alive = node() is not None
    gc.enable()
    assert not alive


def test_a_function_with_a_context_apart_several_outputs_and_none_for_those_that_are_not_used():
    class Both(Function):
        @staticmethod
        def forward(x, y):
            return x + y, x * y

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.set_materialize_grads(False)

        @staticmethod
        def backward(ctx, added, multiplied):
            assert multiplied is None
            assert ctx.needs_input_grad == (True, False)
            return added, None

    x = leaf(2.0)
    total, _ = Both.apply(x, tensor(np.array([3.0])))
    total.sum().backward()
    assert x.grad.tolist() == [1.0]


def test_what_a_function_saved_must_not_change():
    x = leaf(0.5)
    y = Exponential.apply(x, 1.0)
    y.mul_(2)
    with pytest.raises(RuntimeError, match="Exponential"):
        y.sum().backward()


def test_wrong_functions_are_told_what_is_wrong():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        @once_differentiable
        def backward(ctx, dy):
            return dy, dy

    x = leaf(1.0)
    with pytest.raises(RuntimeError, match=r"Wrong\.backward returned 2 gradients for 1 arguments"):
        Wrong.apply(x).sum().backward()
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad(Wrong.apply(x).sum(), x, create_graph=True)


# -- checks --------------------------------------------------------------------------------------------------

class WrongSquare(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dy):
        return dy * 2.1 * ctx.saved_tensors[0]


def test_a_wrong_gradient_is_found():
    x = leaf(0.5, 1.0)
    with pytest.raises(GradcheckError, match=r"input 0, number [01], is .*, and the differences"):
        gradcheck(WrongSquare.apply, x)
    assert not gradcheck(WrongSquare.apply, x, raise_exception=False)


def test_a_wrong_second_derivative_is_found():
    class Hidden(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x ** 3

        @staticmethod
        def backward(ctx, dy):
            return dy * 3 * ctx.saved_tensors[0].detach() ** 2

    x = leaf(0.5, 1.0)
    assert gradcheck(Hidden.apply, x)
    assert not gradgradcheck(Hidden.apply, x, raise_exception=False)
