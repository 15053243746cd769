"""Tensors share memory with other libraries, both ways, and NumPy's functions say what to use instead."""

import operator

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, nn

READ_ONLY = pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0",
                               reason="NumPy 2.0 knows no read-only arrays in DLPack")


def memory(array):
    return array.__array_interface__["data"][0]


def test_numpy_takes_a_tensors_memory_by_dlpack_and_gives_its_own():
    x = cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]])
    array = np.from_dlpack(x)
    assert memory(array) == memory(x.array)
    assert x.__dlpack_device__() == (1, 0)
    back = cnnkit.from_dlpack(array)
    assert back.backend == "numpy"
    assert memory(back.array) == memory(array)
    assert not back.requires_grad


@pytest.mark.parametrize("name", ["torch", "jax", pytest.param("array_api_strict", marks=READ_ONLY)])
def test_other_libraries_share_memory_both_ways(name):
    library = pytest.importorskip("jax.numpy" if name == "jax" else name)
    values = np.zeros(40, np.float32)  # JAX copies what does not begin at a multiple of 64 bytes
    x = cnnkit.Tensor(values[-memory(values) % 64 // 4:][:4].reshape(2, 2))
    theirs = library.from_dlpack(x)
    assert theirs.shape == (2, 2)
    assert memory(np.from_dlpack(theirs)) == memory(x.array)
    assert memory(cnnkit.from_dlpack(theirs).array) == memory(x.array)
    backend = {"array_api_strict": "array-api-strict"}.get(name, name)
    with cnnkit.use(backend):  # the backend in use is the first choice
        assert cnnkit.from_dlpack(x).backend == backend
    assert cnnkit.from_dlpack(x, backend=backend).backend == backend


def test_a_tensor_of_ones_own_is_wrapped_and_shares_its_array():
    x = cnnkit.tensor([1.0])
    assert cnnkit.from_dlpack(x).array is x.array


def test_what_requires_a_gradient_is_detached_first():
    x = cnnkit.tensor([1.0], requires_grad=True)
    for take in (np.from_dlpack, cnnkit.from_dlpack):
        with pytest.raises(BufferError, match=r"use x\.detach\(\)"):
            take(x)
    assert memory(np.from_dlpack(x.detach())) == memory(x.array)
    assert memory(cnnkit.from_dlpack(x.detach()).array) == memory(x.array)


@READ_ONLY
def test_a_result_that_waits_is_computed_and_nothing_still_reads_what_is_given_away():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, x):
            y = self.conv(x)
            self.seen = np.from_dlpack(y.detach())
            given = np.from_dlpack(x)
            given[...] = np.nan  # too late to change y
            return y
    net = Net()
    y = net(cnnkit.tensor(np.ones((1, 1, 4, 4), np.float32)))
    assert np.isfinite(y.numpy()).all()
    np.testing.assert_array_equal(net.seen, y.numpy())


def test_what_cannot_be_shared_says_so(emulator):
    x = cnnkit.Tensor(emulator.asarray(np.ones(2, np.float32)))
    with pytest.raises(BufferError, match=r"backend 'emulator' cannot be shared by DLPack; use x\.numpy\(\)"):
        np.from_dlpack(x)
    with pytest.raises(TypeError, match=r"takes an array with __dlpack__; got list\. cnnkit\.tensor"):
        cnnkit.from_dlpack([1.0])
    with pytest.raises(BufferError, match="backend 'emulator' has arrays in this memory"):
        cnnkit.from_dlpack(np.ones(2), backend="emulator")

    class Elsewhere:
        def __dlpack_device__(self):
            return (17, 0)

        def __dlpack__(self):
            raise AssertionError
    with pytest.raises(BufferError, match=r"no backend that is available.*type 17.*cnnkit\.tensor\(array\)"):
        cnnkit.from_dlpack(Elsewhere())


@pytest.fixture
def emulator():
    row = next(row for row in backends.list() if row.name == "emulator")
    if not row.available:
        pytest.skip(row.reason)
    return backends.get("emulator")


class OnCuda(np.ndarray):
    """NumPy's array with what CuPy's say of their memory."""

    @property
    def __cuda_array_interface__(self):
        return {"shape": self.shape, "data": (memory(self), False)}


def test_only_arrays_on_cuda_have_its_interface():
    assert not hasattr(cnnkit.tensor([1.0]), "__cuda_array_interface__")
    with pytest.raises(AttributeError, match="backend 'numpy' is not in a CUDA device's memory"):
        cnnkit.tensor([1.0]).__cuda_array_interface__  # noqa: B018
    array = np.ones(3).view(OnCuda)
    x = cnnkit.Tensor(array)
    assert x.__cuda_array_interface__ == {"shape": (3,), "data": (memory(array), False)}
    with pytest.raises(RuntimeError, match=r"use x\.detach\(\)"):
        cnnkit.Tensor(array, requires_grad=True).__cuda_array_interface__  # noqa: B018


@pytest.mark.parametrize("compute", [
    lambda a, x: a + x, lambda a, x: a - x, lambda a, x: a * x, lambda a, x: a / x, lambda a, x: a ** x,
    lambda a, x: x - a, lambda a, x: x / a, np.subtract, lambda a, x: np.subtract(x, a),
    lambda a, x: a[0] - x, lambda a, x: np.float32(3) ** x], ids=range(11))
def test_arithmetic_with_numpys_arrays_keeps_the_gradient(compute):
    a, x = np.array([3.0, 4.0], np.float32), cnnkit.tensor([1.0, 2.0], requires_grad=True)
    y = compute(a, x)
    assert isinstance(y, cnnkit.Tensor)
    np.testing.assert_allclose(y.numpy(), compute(a, x.detach().numpy()), rtol=1e-6)
    y.sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge, operator.eq,
                                     operator.ne])
def test_comparisons_with_numpys_arrays(compare):
    a, x = np.array([1.0, 2.0, 3.0]), cnnkit.tensor([3.0, 2.0, 1.0], dtype="float64")
    result = compare(a, x)
    assert isinstance(result, cnnkit.Tensor)
    assert result.tolist() == compare(a, x.numpy()).tolist()


@pytest.mark.parametrize(("call", "message"), [
    (np.exp, r"numpy\.exp takes no Tensor: use x\.exp\(\); for numbers without a gradient, "
             r"numpy\.exp\(x\.numpy\(\)\)"),
    (np.abs, r"numpy\.absolute takes no Tensor: use x\.abs\(\)"),
    (np.tanh, r"use x\.tanh\(\)"),
    (np.spacing, r"cnnkit\.functional and the Tensor's methods have gradients"),
    (np.add.reduce, r"numpy\.add takes no Tensor"),
])
def test_numpys_functions_of_numbers_name_what_to_use(call, message):
    with pytest.raises(TypeError, match=message):
        call(cnnkit.tensor([1.0, 2.0]))


def test_numpys_arrays_are_not_changed_in_place_by_tensors():
    a = np.ones(2)
    with pytest.raises(TypeError, match=r"NumPy's arrays take no Tensor in place; write a = a \+ x"):
        a += cnnkit.tensor([1.0, 2.0])
    assert a.tolist() == [1, 1]


def test_asked_of_a_tensor_numpys_door_is_closed_so_that_cupy_leaves_operators_to_it():
    assert cnnkit.tensor([1.0]).__array_ufunc__ is None
