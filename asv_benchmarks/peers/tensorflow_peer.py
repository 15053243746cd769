"""TensorFlow (Keras) as a contender: a training step as one graph, with the channels last."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

__all__ = ["compiled", "make"]

VGG11 = (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
SHAPES = {"W1": (28, 28, 1), "W2": (32, 32, 3), "vgg11": (64, 64, 3), "resnet18": (32, 32, 3)}


def make(case: dict[str, Any], jit: bool = False) -> Callable[[], Any] | None:
    """A callable that does one training step with momentum; ``None`` for single ops."""
    if case["kind"] != "train":
        return None
    tf.config.threading.set_intra_op_parallelism_threads(int(os.environ["OMP_NUM_THREADS"]))
    tf.config.threading.set_inter_op_parallelism_threads(1)
    net, rng = _network(case["net"]), np.random.default_rng(0)
    x = tf.constant(rng.standard_normal((case["batch"], *SHAPES[case["net"]]), dtype=np.float32))
    y = tf.constant(rng.integers(0, 10, case["batch"]))
    if case["opt"] == "adam":
        optimizer = tf.keras.optimizers.Adam(1e-4)
        optimizer.build(net.trainable_variables)
    momenta = [tf.Variable(tf.zeros_like(variable)) for variable in net.trainable_variables]

    @tf.function(jit_compile=jit)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            scores = net(x, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, scores))
        gradients = tape.gradient(loss, net.trainable_variables)
        if case["opt"] == "adam":
            optimizer.apply_gradients(zip(gradients, net.trainable_variables))
        else:
            for variable, momentum, gradient in zip(net.trainable_variables, momenta, gradients):
                momentum.assign(0.9 * momentum + gradient)
                variable.assign_sub(1e-3 * momentum)
        return loss
    return lambda: step().numpy()


def compiled(case: dict[str, Any]) -> Callable[[], Any] | None:
    """Compiled by XLA."""
    return make(case, jit=True)


def _conv(filters: int) -> Any:
    return layers.Conv2D(filters, 3, padding="same", activation="relu")


def _network(name: str) -> Any:
    if name == "resnet18":
        return _resnet18()
    body = {"W1": [_conv(8), layers.MaxPool2D(2)],
            "W2": [_conv(8), layers.MaxPool2D(2), _conv(16), layers.MaxPool2D(2)],
            "vgg11": [layers.MaxPool2D(2) if v == "M" else _conv(v) for v in VGG11]}[name]
    dense = [layers.Dense(128, activation="relu")] if name == "W2" else []
    return tf.keras.Sequential([layers.Input(SHAPES[name]), *body, layers.Flatten(), *dense,
                                layers.Dense(10)])


def _resnet18() -> Any:
    def conv(x: Any, filters: int, size: int = 3, stride: int = 1) -> Any:
        x = layers.Conv2D(filters, size, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    images = layers.Input(SHAPES["resnet18"])
    x, channels = layers.ReLU()(conv(images, 64)), 64
    for filters, first in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for stride in (first, 1):
            y = conv(layers.ReLU()(conv(x, filters, 3, stride)), filters)
            shortcut = conv(x, filters, 1, stride) if stride != 1 or channels != filters else x
            x, channels = layers.ReLU()(y + shortcut), filters
    return tf.keras.Model(images, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
