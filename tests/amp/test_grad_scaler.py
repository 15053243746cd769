"""GradScaler: PyTorch's numbers, states and errors."""

import math

import numpy as np
import pytest

import cnnkit
from cnnkit import nn, optim
from cnnkit.amp import GradScaler
from cnnkit.functional import mse_loss

SETTINGS = {"init_scale": 2.0**18, "growth_interval": 3, "growth_factor": 3.0, "backoff_factor": 0.4}


def test_fifty_steps_are_pytorch_s():
    """Every seventh loss is infinite; half of the iterations clip, unscaled."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start, xs = rng.normal(size=(3, 2)).astype(np.float32), rng.normal(size=(50, 4, 3)).astype(np.float32)
    p, q = cnnkit.Tensor(torch.tensor(start), requires_grad=True), torch.tensor(start, requires_grad=True)
    ours, theirs = optim.Adam([p], lr=0.1), torch.optim.Adam([q], lr=0.1)
    scaler, their_scaler = GradScaler("cpu", **SETTINGS), torch.amp.GradScaler("cpu", **SETTINGS)
    scales = set()
    for step, x in enumerate(xs):
        factor = math.inf if step % 7 == 6 else 1.0
        ours.zero_grad()
        theirs.zero_grad()
        scaler.scale(((cnnkit.Tensor(torch.tensor(x)) @ p) ** 2).mean() * factor).backward()
        their_scaler.scale(((torch.tensor(x) @ q) ** 2).mean() * factor).backward()
        if step % 2:
            scaler.unscale_(ours)
            their_scaler.unscale_(theirs)
            nn.utils.clip_grad_norm_([p], 1.0)
            torch.nn.utils.clip_grad_norm_([q], 1.0)
        scaler.step(ours)
        their_scaler.step(theirs)
        scaler.update()
        their_scaler.update()
        assert scaler.get_scale() == their_scaler.get_scale()
        assert scaler.state_dict() == their_scaler.state_dict()
        assert torch.allclose(p.array, q.detach(), rtol=1e-5, atol=1e-6)
        scales.add(scaler.get_scale())
        if step == 25:
            state = their_scaler.state_dict()
            scaler = GradScaler("cpu")
            scaler.load_state_dict(state)
    assert len(scales) > 5


def one_step(p, optimizer, scaler, factor=1.0):
    optimizer.zero_grad()
    scaler.scale((p * factor).sum()).backward()
    return scaler.step(optimizer)


def test_updates_with_infinite_gradients_are_left_out(backend):
    p = cnnkit.tensor([2.0, 3.0], requires_grad=True)
    optimizer, scaler = optim.SGD([p], lr=1.0), GradScaler("cpu", init_scale=4.0, growth_interval=2)
    one_step(p, optimizer, scaler)
    scaler.update()
    assert p.tolist() == [1.0, 2.0]
    one_step(p, optimizer, scaler, math.inf)
    scaler.update()
    assert p.tolist() == [1.0, 2.0]
    assert scaler.get_scale() == 2.0
    for _ in range(2):
        one_step(p, optimizer, scaler)
        scaler.update()
    assert scaler.get_scale() == 4.0


def test_a_loss_of_sixteen_bits_is_scaled_beyond_what_the_scale_itself_fits():
    loss = cnnkit.tensor(2.0**-10, dtype=cnnkit.float16, requires_grad=True)
    scaled = GradScaler("cpu").scale(loss)
    assert (scaled.item(), scaled.dtype) == (64.0, cnnkit.float16)


def test_a_disabled_scaler_does_nothing():
    p = cnnkit.tensor([1.0], requires_grad=True)
    optimizer, scaler = optim.SGD([p], lr=1.0), GradScaler("cpu", enabled=False)
    loss = p.sum()
    assert scaler.scale(loss) is loss
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert (p.tolist(), scaler.get_scale(), scaler.state_dict()) == ([0.0], 1.0, {})


def test_cuda_without_cuda_warns_and_disables():
    if cnnkit.cuda.is_available():
        pytest.skip("there is a CUDA device")
    for make in (GradScaler, cnnkit.cuda.amp.GradScaler):
        with pytest.warns(UserWarning, match="CUDA is not available"):
            assert not make().is_enabled()


def test_lists_and_tuples_of_losses_are_scaled():
    losses = [cnnkit.tensor(1.0), (cnnkit.tensor(2.0),)]
    scaled = GradScaler("cpu", init_scale=2.0).scale(losses)
    assert scaled[0].item() == 2.0
    assert scaled[1][0].item() == 4.0
    with pytest.raises(ValueError, match="Tensor or an iterable"):
        GradScaler("cpu").scale(3)


def test_misuse_is_refused_in_pytorch_s_words():
    p = cnnkit.tensor([1.0], requires_grad=True)
    optimizer, scaler = optim.SGD([p], lr=1.0), GradScaler("cpu")
    for call in (scaler.update, lambda: scaler.step(optimizer), lambda: scaler.unscale_(optimizer)):
        with pytest.raises(AssertionError, match="_scale is None"):
            call()
    scaler.scale(p.sum()).backward()
    with pytest.raises(AssertionError, match="No inf checks were recorded prior to update"):
        scaler.update()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="Closure use"):
        scaler.step(optimizer, closure=lambda: None)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"unscale_\(\) is being called after step"):
        scaler.unscale_(optimizer)
    scaler.update(8.0)
    assert scaler.get_scale() == 8.0
    optimizer.zero_grad()
    with pytest.raises(AssertionError, match="No inf checks were recorded for this optimizer"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="source state dict is empty"):
        scaler.load_state_dict({})
    for settings in ({"growth_factor": 1.0}, {"backoff_factor": 1.0}):
        with pytest.raises(AssertionError, match="factor must be"):
            GradScaler("cpu", **settings)


def test_parameters_of_float16_are_refused():
    layer = nn.Linear(1, 1).half()
    scaler = GradScaler("cpu", init_scale=2.0)
    scaler.scale(mse_loss(layer(cnnkit.ones(1, 1).half()), cnnkit.ones(1, 1).half())).backward()
    with pytest.raises(ValueError, match=r"Attempting to unscale FP16 gradients.*float\(\)"):
        scaler.step(optim.SGD(layer.parameters(), lr=0.1))
