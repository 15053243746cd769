"""Tensor and tape: values, gradients through shared results, versions, and what raises."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import cnnkit
from cnnkit import tensor


def leaf(*shape, seed=0):
    return tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=True)


def slope(function, *leaves, seed=9):
    """Derivative of the function's sum in a random direction, by central differences in float64."""
    rng = np.random.default_rng(seed)
    steps = [rng.standard_normal(x.shape) for x in leaves]
    h = 1e-6
    with cnnkit.no_grad():
        up = function(*(tensor(x.numpy() + h * s) for x, s in zip(leaves, steps))).sum().item()
        down = function(*(tensor(x.numpy() - h * s) for x, s in zip(leaves, steps))).sum().item()
    function(*leaves).sum().backward()
    return (up - down) / (2 * h), sum((x.grad.numpy() * s).sum() for x, s in zip(leaves, steps))


FUNCTIONS = {
    "add": lambda x, y: x + y + 1,
    "sub": lambda x, y: 2 - x - y,
    "mul": lambda x, y: x * y * 3,
    "div": lambda x, y: x / (y * y + 1) + 1 / (x * x + 1),
    "pow": lambda x, y: x ** 3 + (x * x + 1) ** y,
    "neg": lambda x, y: -x * y,
    "rpow": lambda x, y: 2 ** x + y,
    "broadcast": lambda x, y: x * y[0] + x[:, :1],
    "exp": lambda x, y: (x * y).exp(),
    "log": lambda x, y: (x * x + y * y).log(),
    "sqrt": lambda x, y: (x * x + y * y).sqrt(),
    "abs": lambda x, y: (x - y).abs(),
    "clamp": lambda x, y: (x * y).clamp(-0.5, 0.7),
    "matmul": lambda x, y: x @ y.T,
    "matmul vector": lambda x, y: x @ y[0],
    "vector matmul": lambda x, y: x[:, 0] @ y,
    "vector vector": lambda x, y: x[0] @ y[1],
    "sum": lambda x, y: (x * y).sum(dim=1) * x[:, 0],
    "mean": lambda x, y: (x * y).mean(dim=(0, 1)),
    "max": lambda x, y: (x * y).max(dim=0).values,
    "keepdim": lambda x, y: x * y.mean(dim=0, keepdim=True) * y.amax(dim=1, keepdim=True),
    "sum all": lambda x, y: (x * y).sum() * x,
    "reshape": lambda x, y: x.reshape(2, -1) * y.flatten().view(2, 6),
    "permute": lambda x, y: x.permute(1, 0) @ y,
    "transpose": lambda x, y: x.transpose(0, 1) @ y,
    "slice": lambda x, y: x[1:, ::2] * y[:2, 1::2],
    "negative step": lambda x, y: x[::-2, ::-1] * y[::2],
    "int index": lambda x, y: x[-1] * y[0, 1],
    "new axis": lambda x, y: x[None, :, None] * y[:, None, :, None][..., 0],
    "ellipsis": lambda x, y: x[..., 1] * y[0, ..., 2],
    "array index": lambda x, y: x[tensor([0, 2, 2, 0])] * y[0],
    "mask": lambda x, y: (x * y)[tensor(np.arange(12).reshape(3, 4) % 3 == 0)],
    "expand": lambda x, y: x[0].expand(3, 4) * y,
    "squeeze": lambda x, y: x.unsqueeze(1).squeeze(1) * y,
    "clone": lambda x, y: x.clone() * y,
    "cast": lambda x, y: x.to(dtype="float64") * y,
    "empty slice": lambda x, y: x[3:].sum() + y,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_agree_with_central_differences(name):
    measured, computed = slope(FUNCTIONS[name], leaf(3, 4), leaf(3, 4, seed=1))
    assert computed == pytest.approx(measured, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_are_numpys_on_every_backend(name, backend):
    def run():
        x, y = (tensor(leaf(3, 4, seed=s).detach(), requires_grad=True, backend=cnnkit.backends.current())
                for s in (0, 1))
        z = FUNCTIONS[name](x, y)
        z.sum().backward()
        return [t.numpy() for t in (z, x.grad, y.grad) if t is not None]

    computed = run()
    with cnnkit.use("numpy"):
        expected = run()
    rtol = 1e-12 if computed[0].dtype == np.float64 else 2e-4
    for a, b in zip(computed, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def test_a_result_used_twice_gets_both_gradients():
    x = tensor([3.0], requires_grad=True)
    y = x * x
    (y * y + y).sum().backward()
    assert x.grad.item() == 4 * 27 + 2 * 3


def test_a_diamond_is_walked_once():
    x, calls = tensor([2.0], requires_grad=True), []
    y = x * 3
    y.register_hook(lambda dy: calls.append(dy.item()))
    (y * 5 + y * 7).sum().backward()
    assert calls == [12.0]
    assert x.grad.item() == 36


def test_what_an_op_saved_is_freed_by_backward():
    x = tensor(np.ones(3), requires_grad=True)
    saved = np.full(3, 2.0)
    watched = weakref.ref(saved)
    z = (x * cnnkit.Tensor(saved)).sum()
    del saved
    assert watched() is not None
    z.backward()
    gc.collect()
    assert watched() is None


def test_a_second_backward_over_a_freed_graph_raises():
    z = (tensor([1.0], requires_grad=True) * 2).sum()
    z.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        z.backward()


def test_retain_graph_allows_a_second_backward():
    x = tensor([1.0], requires_grad=True)
    z = (x * x).sum()
    z.backward(retain_graph=True)
    z.backward()
    assert x.grad.item() == 4


def test_an_input_changed_in_place_between_forward_and_backward_raises():
    x, w = tensor([1.0], requires_grad=True), tensor([2.0])
    z = (x * w).sum()
    w.mul_(3)
    with pytest.raises(RuntimeError, match=r"the gradient of mul needs a Tensor that was changed in place"):
        z.backward()
    assert x.grad is None


def test_a_change_through_a_detached_alias_counts():
    x = tensor([1.0], requires_grad=True)
    z = (x * x).sum()
    x.detach().zero_()
    with pytest.raises(RuntimeError, match="changed in place"):
        z.backward()


def test_a_leaf_that_records_cannot_be_changed_in_place():
    x = tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="no_grad"):
        x.add_(1)
    with cnnkit.no_grad():
        x.add_(1)
    assert x.item() == 2


def test_a_recorded_result_that_changes_under_no_grad_keeps_its_history():
    x = tensor([1.0], requires_grad=True)
    y = x * 2
    with cnnkit.no_grad():
        y.add_(1)
    y.backward()
    assert (y.tolist(), x.grad.tolist()) == ([3.0], [2.0])


def test_no_grad_records_nothing_and_enable_grad_records_again():
    x = tensor([1.0], requires_grad=True)
    with cnnkit.no_grad():
        assert not (x * 2).requires_grad
        with cnnkit.enable_grad():
            assert (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_decorates():
    x = tensor([1.0], requires_grad=True)
    assert not cnnkit.no_grad()(lambda: x * 2)().requires_grad


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: (x * 2).backward(), r"needs a scalar; this Tensor has shape \(2,\)"),
    (lambda x: x.detach().sum().backward(), "requires no gradient"),
    (lambda x: (x > 0).requires_grad_(), "floating-point"),
    (lambda x: x.backward(tensor([1.0])), r"shape \(1,\) for a Tensor of shape \(2,\)"),
    (lambda x: x.item(), r"one element; this one has shape \(2,\)"),
    (lambda x: x.reshape(3), r"cannot reshape \(2,\)"),
    (lambda x: x @ tensor([1.0, 2.0, 3.0]), r"shapes \(2,\) and \(3,\)"),
    (lambda x: x + tensor([1.0, 2.0, 3.0]), "do not broadcast"),
    (lambda x: x.permute(0, 0), "each axis must come once"),
    (lambda x: x.sum(dim=3), "axis 3"),
    (lambda x: x.__setitem__(0, 1), "in place on a leaf Tensor that requires a gradient"),
    (lambda x: x[:1].add_(1), "in place on a view of a leaf Tensor that requires a gradient"),
    (lambda x: copy.deepcopy(x * 2), "deep-copied"),
    (lambda x: tensor("abc"), "str"),
    (lambda x: x.to("flaot32"), "no backend 'flaot32'"),
    (lambda x: tensor([1, 2]).mean(), "float32"),
])
def test_what_cannot_be_done_raises_one_clear_line(call, message):
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError), match=message):
        call(tensor([1.0, 2.0], requires_grad=True))


def test_arrays_of_two_backends_are_refused_with_both_names():
    pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError,
                       match=r"mul got arrays of two backends, 'numpy' and 'array-api-strict'.*\.to\("):
        tensor([1.0]) * tensor([1.0], backend="array-api-strict")


def test_numpy_on_the_left_hands_over_to_the_tensor():
    y = np.array([1.0, 2.0]) * tensor([3.0, 4.0], dtype="float64")
    assert isinstance(y, cnnkit.Tensor)
    assert y.tolist() == [3, 8]


def test_numpy_scalars_make_arrays_and_not_scalars():
    y = cnnkit.Tensor(np.ones((2, 2))).sum()
    assert type(y.array) is np.ndarray
    assert y.shape == ()


@pytest.mark.parametrize(("data", "dtype"),
                         [([1.5], "float32"), ([1], "int64"), ([True], "bool"), ([[1], [2.5]], "float32"),
                          (np.array([1.0]), "float64"), (np.array([1], np.uint8), "uint8"), ([], "float32")])
def test_new_tensors_have_pytorchs_dtypes(data, dtype):
    assert tensor(data).dtype == dtype


def test_tensor_copies_and_Tensor_does_not():
    a = np.zeros(2)
    copied, wrapped = tensor(a), cnnkit.Tensor(a)
    a[:] = 1
    assert copied.tolist() == [0, 0]
    assert wrapped.tolist() == [1, 1]


def test_moving_to_another_backend_and_back_keeps_the_values():
    pytest.importorskip("array_api_strict")
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x.to("array-api-strict")
    assert y.backend == "array-api-strict"
    assert y.requires_grad
    assert y.to("numpy").tolist() == [1, 2]
    assert x.to("numpy") is x


def test_leaves_copy_and_pickle_with_their_gradient_setting():
    x = tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.tolist() == [1, 2]
        assert y.requires_grad
        assert y.array is not x.array
    assert copy.deepcopy(x).grad.tolist() == [2, 4]


def test_max_shares_the_gradient_between_ties_as_amax_does():
    x = tensor([1.0, 3.0, 3.0], requires_grad=True)
    x.max().backward()
    assert x.grad.tolist() == [0, 0.5, 0.5]


def test_repr_shows_values_dtype_backend_and_tape():
    x = tensor([1.0], requires_grad=True)
    assert repr(x) == "tensor([1.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2.], grad_fn=<mul backward>)"
    assert repr(tensor([1.0], dtype="float64")) == "tensor([1.], dtype=float64)"


def test_a_deep_graph_needs_no_recursion():
    x = tensor([1.0], requires_grad=True)
    y = x
    for _ in range(5000):
        y = y + 1
    y.sum().backward()
    assert x.grad.item() == 1


def test_augmented_assignment_changes_a_leaf_and_is_recorded_elsewhere():
    x, y = tensor([1.0], requires_grad=True), tensor([1.0])
    held = y
    y += 2
    y *= 3
    y -= 1
    y /= 4
    assert held is y
    assert y.item() == 2
    with pytest.raises(RuntimeError, match="no_grad"):
        x += 1
    total = x * 2
    total += x
    y += total
    y.sum().backward()
    assert x.grad.item() == 3


def test_changes_in_place_keep_the_dtype():
    x = tensor([1.0, 2.0])
    x.mul_(tensor([0.5, 0.5], dtype="float64")).add_(np.float64(1))
    assert x.dtype == np.float32
    with pytest.raises(RuntimeError,
                       match=r"add in place makes float32 of a Tensor of int64.*\.to\(dtype='float32'\)"):
        tensor([1]).add_(0.5)


@pytest.mark.parametrize(("make", "dtype"), [
    (lambda: tensor([1.0]) * np.float64(2), "float32"),
    (lambda: tensor(np.array([1], np.uint8)) / 255, "float32"),
    (lambda: tensor([1]) * tensor([1.0]), "float32"), (lambda: tensor([1.0]) - tensor([1]), "float32"),
    (lambda: tensor([1]) * 0.5, "float32"),
    (lambda: tensor([2]) / tensor([1]), "float32"), (lambda: tensor([1]) + 1, "int64"),
    (lambda: 2.0 ** tensor([3]), "float32"),
    (lambda: tensor([1.0], dtype="float64") * tensor([1]), "float64")])
def test_mixed_numbers_have_pytorchs_dtype(make, dtype, backend):
    assert cnnkit.backends.dtype_name(make().dtype) in (dtype,
                                                        {"int64": "int32", "float64": "float32"}.get(dtype))


def test_powers_have_gradients_where_0_is_involved():
    x = tensor([0.0, 2.0], requires_grad=True)
    (x ** 0).sum().backward()
    assert x.grad.tolist() == [0, 0]
    x.grad = None
    (x ** tensor([0.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [0, 12]
    x.grad = None
    (0 ** (x + 1)).sum().backward()
    assert x.grad.tolist() == [0, 0]


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: x.expand(3), r"expand cannot stretch \(2,\) to \(3,\)"),
    (lambda x: x.copy_([1.0, 2.0, 3.0]), "copy_"),
    (lambda x: x.copy_(None), "copy_.. needs values"),
    (lambda x: x.argmax(9), "argmax got axis 9"),
    (lambda x: x[2:].argmax(), "argmax over an empty axis"),
    (lambda x: x.sum((0, 0)), "one of them twice"),
    (lambda x: tensor([[1.0, 2.0], [3.0]]), "rows of different lengths"),
])
def test_wrong_shapes_and_axes_are_named(call, message):
    with pytest.raises((ValueError, TypeError, IndexError), match=message):
        call(tensor([1.0, 2.0]))
