"""JAX as a contender: compiled as a whole, with the channels last, its fastest layout on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = ["make"]

LAYOUT = ("NHWC", "HWIO", "NHWC")
rng = np.random.default_rng(0)


def make(case: dict[str, Any]) -> Callable[[], Any] | None:
    """A callable that does the case once; ``None`` for the deep networks, inference and Adam."""
    if case["kind"] == "infer":
        return None
    if case["kind"] == "train":
        return _train(case) if case["net"] in ("W1", "W2") and case["opt"] == "sgd" else None
    x = _array(case["N"], case["H"], case["W"], case["C"])
    if case["kind"] == "maxpool":
        return _op(_pool, (x,), {"fwd": None, "bwd": 0}[case["dir"]])
    weight = _array(case["k"], case["k"], case["C"], case["K"])
    return _op(lambda x, w: _conv(x, w, case["s"], case["p"]), (x, weight),
               {"fwd": None, "dgrad": 0, "wgrad": 1}[case["dir"]])


def _array(*shape: int) -> jax.Array:
    return jnp.asarray(rng.standard_normal(shape, dtype=np.float32) * 0.1)


def _conv(x: jax.Array, weight: jax.Array, stride: int = 1, padding: int | None = None) -> jax.Array:
    padding = weight.shape[0] // 2 if padding is None else padding
    return lax.conv_general_dilated(x, weight, (stride, stride), [(padding, padding)] * 2,
                                    dimension_numbers=LAYOUT)


def _pool(x: jax.Array) -> jax.Array:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def _op(function: Callable, inputs: tuple, index: int | None) -> Callable[[], Any]:
    """A function's forward, or its gradient with respect to ``inputs[index]``."""
    forward = jax.jit(function)
    if index is None:
        return lambda: forward(*inputs).block_until_ready()
    dy = forward(*inputs)
    backward = jax.jit(lambda inputs, dy: jax.vjp(function, *inputs)[1](dy)[index])
    return lambda: backward(inputs, dy).block_until_ready()


def _train(case: dict[str, Any]) -> Callable[[], None]:
    batch = case["batch"]
    if case["net"] == "W1":
        shapes: list[tuple[int, ...]] = [(3, 3, 1, 8), (8,), (1568, 10), (10,)]
        x, convolutions = _array(batch, 28, 28, 1), 1
    else:
        shapes = [(3, 3, 3, 8), (8,), (3, 3, 8, 16), (16,), (1024, 128), (128,), (128, 10), (10,)]
        x, convolutions = _array(batch, 32, 32, 3), 2
    y = jnp.asarray(rng.integers(0, 10, batch))
    parameters = [_array(*shape) for shape in shapes]

    def loss(parameters: list[jax.Array]) -> jax.Array:
        pairs, z = list(zip(parameters[::2], parameters[1::2])), x
        for weight, bias in pairs[:convolutions]:
            z = _pool(jax.nn.relu(_conv(z, weight) + bias))
        z = z.reshape(batch, -1)
        for n, (weight, bias) in enumerate(pairs[convolutions:], convolutions + 1):
            z = z @ weight + bias
            z = jax.nn.relu(z) if n < len(pairs) else z
        return -jnp.mean(jax.nn.log_softmax(z)[jnp.arange(batch), y])

    @jax.jit
    def update(parameters: list[jax.Array], momenta: list[jax.Array]) -> tuple:
        value, gradients = jax.value_and_grad(loss)(parameters)
        momenta = [0.9 * momentum + gradient for momentum, gradient in zip(momenta, gradients)]
        return value, [p - 1e-3 * momentum for p, momentum in zip(parameters, momenta)], momenta
    state = [parameters, [jnp.zeros_like(p) for p in parameters]]

    def step() -> None:
        value, state[0], state[1] = update(*state)
        value.block_until_ready()
    return step
