"""autocast: blocks, nesting, threads, parameters that stay float32, and PyTorch's numbers."""

import threading
import warnings

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import amp, nn, optim
from cnnkit.autograd import casting

HALF = {"device_type": "cpu", "dtype": cnnkit.float16}


def small_net():
    cnnkit.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(64, 10))


@pytest.fixture
def casts(monkeypatch):
    """The shapes of all that was converted to sixteen bits."""
    made, apply = [], casting.calling.apply

    def watched(op, *inputs, **attrs):
        if op.name == "cast" and "16" in str(attrs["dtype"]):
            made.append(inputs[0].shape)
        return apply(op, *inputs, **attrs)
    monkeypatch.setattr(casting.calling, "apply", watched)
    return made


def test_a_network_runs_in_sixteen_bits_and_its_parameters_and_gradients_stay_float32(backend):
    if not backend.has("float16"):
        pytest.skip("no float16")
    model, plain, x, labels = small_net(), small_net(), cnnkit.randn(3, 1, 8, 8), cnnkit.tensor([1, 2, 3])
    with cnnkit.autocast(x.device.type, dtype=cnnkit.float16):
        y = model(x)
        loss = F.cross_entropy(y, labels)
    loss.backward()
    expected = F.cross_entropy(plain(x), labels)
    expected.backward()
    assert (y.dtype, loss.dtype) == (cnnkit.float16, cnnkit.float32)
    for p, q in zip(model.parameters(), plain.parameters()):
        assert p.dtype == p.grad.dtype == cnnkit.float32
        assert np.abs(p.grad.numpy() - q.grad.numpy()).max() < 2e-2
    assert model[1].running_mean.dtype == cnnkit.float32
    assert abs(loss.item() - expected.item()) < 5e-3


def test_evaluation_folds_batch_norm_into_sixteen_bit_filters(backend):
    if not backend.has("float16"):
        pytest.skip("no float16")
    model, x = small_net().eval(), cnnkit.randn(3, 1, 8, 8)
    with cnnkit.no_grad():
        with cnnkit.autocast(x.device.type, dtype=cnnkit.float16):
            y = model(x)
        assert y.dtype == cnnkit.float16
        assert np.abs(y.float().numpy() - model(x).numpy()).max() < 1e-2


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_outputs_and_gradients_are_pytorch_s(dtype):
    torch = pytest.importorskip("torch")
    ours = small_net()
    theirs = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4),
                                 torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
                                 torch.nn.Linear(64, 10))
    theirs.load_state_dict({k: torch.as_tensor(v.numpy()) for k, v in ours.state_dict().items()})
    ours.to("torch")
    x, labels = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(5)
    with torch.autocast("cpu", dtype=getattr(torch, dtype)):
        expected = theirs(x)
        loss = torch.nn.functional.cross_entropy(expected, labels)
    loss.backward()
    with cnnkit.autocast("cpu", dtype=getattr(cnnkit, dtype)):
        y = ours(cnnkit.Tensor(x))
        our_loss = F.cross_entropy(y, cnnkit.Tensor(labels))
    our_loss.backward()
    step = 2.0**-8 if dtype == "bfloat16" else 2.0**-11
    assert (y.dtype.name, our_loss.dtype.name) == (dtype, str(loss.dtype).removeprefix("torch."))
    assert torch.allclose(y.array.float(), expected.detach().float(), rtol=4 * step, atol=4 * step)
    assert abs(our_loss.item() - loss.item()) < 4 * step
    for p, q in zip(ours.parameters(), theirs.parameters()):
        assert torch.allclose(p.grad.array, q.grad, rtol=8 * step, atol=8 * step)


def test_blocks_nest_and_end():
    a = cnnkit.ones(2, 2)
    with amp.autocast(**HALF):
        with amp.autocast("cpu", enabled=False):
            assert not amp.is_autocast_enabled()
            assert (a @ a).dtype == cnnkit.float32
        assert (a @ a).dtype == cnnkit.float16
    assert (a @ a).dtype == cnnkit.float32
    with pytest.raises(ZeroDivisionError), amp.autocast(**HALF):
        1 / 0  # noqa: B018
    assert not amp.is_autocast_enabled("cpu")
    assert casting.calling.blocks == []


def test_a_block_holds_for_its_thread_only():
    a, found = cnnkit.ones(2, 2), []
    with amp.autocast(**HALF):
        thread = threading.Thread(target=lambda: found.append((a @ a).dtype))
        thread.start()
        thread.join()
    assert found == [cnnkit.float32]


def test_a_decorated_function_may_call_itself():
    @amp.autocast(**HALF)
    def power(x, n):
        return x if n == 1 else x @ power(x, n - 1)
    assert power(cnnkit.ones(2, 2), 3).tolist() == [[4.0, 4.0], [4.0, 4.0]]
    assert power(cnnkit.ones(2, 2), 3).dtype == cnnkit.float16
    assert power.__name__ == "power"


def test_a_parameter_is_converted_once_in_a_region(casts):
    layer, x = nn.Linear(3, 3, bias=False), cnnkit.ones(2, 3)
    with amp.autocast(**HALF):
        layer(layer(x))
        with amp.autocast(**HALF):
            layer(x)
    assert casts.count((3, 3)) == 1
    with amp.autocast(**HALF):
        layer(x)
    assert casts.count((3, 3)) == 2
    with amp.autocast(**HALF, cache_enabled=False):
        layer(layer(x))
    assert casts.count((3, 3)) == 4


def test_a_parameter_that_an_optimizer_has_changed_is_converted_anew():
    layer, x = nn.Linear(1, 1, bias=False), cnnkit.ones(1, 1)
    optimizer = optim.SGD(layer.parameters(), lr=1.0)
    with amp.autocast(**HALF):
        before = layer(x)
        before.backward()  # the converted parameter's way back is gone now
        optimizer.step()
        after = layer(x)
        after.backward()
    assert abs(before.item() - after.item() - 1.0) < 1e-2
    assert layer.weight.grad.tolist() == [[2.0]]


def test_a_parameter_is_converted_anew_after_a_backward_pass_or_a_change():
    layer, x = nn.Linear(1, 1, bias=False), cnnkit.ones(1, 1)
    with amp.autocast(**HALF):
        layer(x).backward()
        layer(x).backward()
        layer(x)
        with cnnkit.no_grad():
            layer.weight.fill_(3.0)
        assert layer(x).item() == 3.0
    assert layer.weight.grad.tolist() == [[2.0]]


def test_a_parameter_converted_without_the_tape_is_converted_again_with_it():
    layer, x = nn.Linear(1, 1, bias=False), cnnkit.ones(1, 1)
    with amp.autocast(**HALF):
        with cnnkit.no_grad():
            layer(x)
        layer(x).backward()
    assert layer.weight.grad is not None


def test_cuda_without_cuda_warns_and_changes_nothing():
    if cnnkit.cuda.is_available():
        pytest.skip("there is a CUDA device")
    a = cnnkit.ones(2, 2)
    for kind in (lambda: amp.autocast("cuda"), cnnkit.cuda.amp.autocast):
        with pytest.warns(UserWarning, match="CUDA is not available. Disabling"):
            block = kind()
        with block:
            assert (a @ a).dtype == cnnkit.float32


def test_a_backend_without_the_dtype_warns_once_and_stays_in_float32():
    a = cnnkit.ones(2, 2)
    casting._warn.cache_clear()
    with pytest.warns(UserWarning, match=r"'numpy' has no bfloat16.*dtype=cnnkit.float16"), \
            amp.autocast("cpu"):
        assert (a @ a).dtype == cnnkit.float32
    with warnings.catch_warnings(), amp.autocast("cpu"):
        warnings.simplefilter("error")
        assert (a @ a).dtype == cnnkit.float32


@pytest.mark.parametrize(("arguments", "error", "message"), [
    (("cuda:0",), RuntimeError, "'cpu' or 'cuda', without a number; got 'cuda:0'"),
    (("tpu",), RuntimeError, "got 'tpu'"),
    (("cpu", cnnkit.float64), TypeError, "float16 or bfloat16; got dtype=float64")])
def test_other_devices_and_dtypes_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        amp.autocast(*arguments)


def test_get_autocast_dtype_is_the_block_s():
    assert amp.get_autocast_dtype("cpu") == cnnkit.bfloat16
    with amp.autocast(**HALF):
        assert amp.get_autocast_dtype("cpu") == cnnkit.float16


def test_gradients_of_gradients_are_outside_of_the_lists():
    x = cnnkit.tensor([[2.0]], requires_grad=True)
    with amp.autocast(**HALF):
        y = (x @ x).sum()
        slope, = cnnkit.autograd.grad(y, x, create_graph=True)
    slope.sum().backward()
    assert slope.tolist() == [[4.0]]
    assert x.grad.tolist() == [[2.0]]
