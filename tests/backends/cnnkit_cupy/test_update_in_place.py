"""An optimizer's step on a CUDA device writes parameters in place, unless somebody else holds them."""

from weakref import ref

import numpy as np
import pytest

import cnnkit
from cnnkit import conformance, optim
from cnnkit import functional as F

SHAPES = [(300,), (7, 3), (0,)]
BACKENDS = [name for name in ("emulator", "cupy") if conformance.names()[name] is True]
pytestmark = pytest.mark.skipif(not BACKENDS, reason="neither the emulator nor a CUDA device is here")
OPTIMIZERS = {"sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
              "adam": lambda p: optim.Adam(p, lr=0.1, amsgrad=True)}


@pytest.fixture(params=BACKENDS)
def used(request):
    with cnnkit.use(request.param):
        yield


class Run:
    """Parameters, and steps with the same gradients in every run."""

    def __init__(self, make, steps=0):
        self.rng = np.random.default_rng(0)
        self.params = [cnnkit.tensor(self.drawn(shape), requires_grad=True) for shape in SHAPES]
        self.optimizer = make(self.params)
        self.step(steps)

    def drawn(self, shape):
        return self.rng.standard_normal(shape).astype(np.float32)

    def step(self, count=1):
        for _ in range(count):
            for p in self.params:
                p.grad = cnnkit.tensor(self.drawn(p.shape))
            self.optimizer.step()

    def values(self):
        return [p.numpy() for p in self.params]


def place(tensor):
    """Where the memory of a Tensor is."""
    array = tensor.array
    return array.host.ctypes.data if hasattr(array, "host") else array.data.ptr


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_parameters_that_nobody_else_holds_keep_their_memory(name, used):
    run = Run(OPTIMIZERS[name], 3)
    places, arrays = [*map(place, run.params)], [id(p.array) for p in run.params]
    run.step(2)
    assert [*map(place, run.params)] == places
    assert arrays  # objects may be others: who compares them sees that the values are


@pytest.mark.parametrize("holding", [
    pytest.param(lambda p: p.array, id="the array"),
    pytest.param(lambda p: p.array[1:], id="a view of the array"),
    pytest.param(lambda p: p.array.reshape((-1, 1)) if hasattr(p.array, "reshape") else p.array[:, None],
                 id="another shape"),
    pytest.param(lambda p: p.detach().array, id="the array of a detached Tensor")])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_somebody_holds_stays_as_it_is(name, holding, used):
    run, alone = Run(OPTIMIZERS[name], 3), Run(OPTIMIZERS[name], 3)
    held = cnnkit.Tensor(holding(run.params[0]))
    before = held.numpy().copy()
    for each in (run, alone):
        each.step(3)
    assert np.array_equal(held.numpy(), before)
    assert all(map(np.array_equal, run.values(), alone.values()))


def test_a_tensor_that_shares_a_parameters_memory_follows_it(used):
    run = Run(OPTIMIZERS["sgd"], 3)
    detached, view = run.params[0].detach(), run.params[1].detach()[2:]
    run.step(2)
    assert np.array_equal(detached.numpy(), run.values()[0])
    assert np.array_equal(view.numpy(), run.values()[1][2:])


def test_the_first_step_leaves_arrays_that_a_user_made(used):
    array = cnnkit.tensor(np.ones(5, np.float32)).array
    p = cnnkit.Tensor(array, requires_grad=True)
    optimizer = optim.SGD([p], lr=0.1)
    for _ in range(4):
        p.grad = cnnkit.ones(5)
        optimizer.step()
    assert cnnkit.Tensor(array).tolist() == [1] * 5
    assert p.tolist() == pytest.approx([0.6] * 5)


def test_a_backward_of_before_the_step_is_refused(used):
    """It would be that of the new parameters, silently."""
    weight = cnnkit.ones(3, 4, requires_grad=True)
    optimizer = optim.SGD([weight], lr=0.1)
    x = cnnkit.ones(2, 4, requires_grad=True)
    for _ in range(4):
        optimizer.zero_grad()
        old = F.linear(x, weight).sum()
        F.linear(x.detach(), weight).sum().backward()
        optimizer.step()
    with pytest.raises(RuntimeError, match="changed"):
        old.backward()


def test_a_step_with_the_same_gradient_is_another_step(used):
    p = cnnkit.zeros(4, requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    p.grad = cnnkit.ones(4)
    for _ in range(5):
        optimizer.step()
    assert p.tolist() == [-5] * 4


def test_a_gradient_is_let_go_of_after_the_step(used):
    run = Run(OPTIMIZERS["sgd"], 3)
    gradient = ref(run.params[0].grad.array)
    run.optimizer.zero_grad()
    assert gradient() is None


# -- mistakes that these tests find --------------------------------------------------------------------------

def test_a_write_into_what_somebody_holds_is_found(used, monkeypatch):
    cuda = cnnkit.backends.get(cnnkit.zeros(1).backend).cuda
    monkeypatch.setattr(type(cuda), "is_held", lambda self, arrays, places: False)
    run = Run(OPTIMIZERS["sgd"], 3)
    held = cnnkit.Tensor(run.params[0].array)
    before = held.numpy().copy()
    run.step()
    assert not np.array_equal(held.numpy(), before)
