"""The network of `SimpleCNN` on arrays: one forward pass, each layer's output, and the backward pass."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from cnnkit.ops.activation import relu
from cnnkit.ops.conv import conv
from cnnkit.ops.core import Call, run_calls
from cnnkit.ops.linear import linear
from cnnkit.ops.loss import cross_entropy
from cnnkit.ops.pool import max_pool

if TYPE_CHECKING:
    from cnnkit.models.simple import SimpleCNN

__all__ = ["CONV", "LOSS", "POOL", "WEIGHTS", "ForwardPass"]

Array = Any
WEIGHTS = ("filters", "filter_bias", "fc_weights", "fc_bias")
CONV: dict[str, Any] = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
POOL: dict[str, Any] = {"padding": ((0, 0), (0, 0)), "dilation": (1, 1), "ceil_mode": False}
LOSS: dict[str, Any] = {"ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}


class ForwardPass:
    """One forward pass: each layer's output, in PyTorch's order of axes, and the backward pass.

    Attributes
    ----------
    x : array, (N, 1, H, W)
    conv, relu : array, (N, F, h, w)
        Computed on access: a fused kernel goes from the image to `pooled` without them.
    pooled : array, (N, F, h, w)
    flat : array, (N, features)
        In the guide's order: rows, columns, filters.
    scores : array, (N, classes)
    weights : dict of arrays
        The network's weights at this pass.
    """

    single: bool
    x: Array
    xp: Any
    pooled: Any
    scores: Any

    def __init__(self, net: SimpleCNN, x: Array, single: bool):
        self.x, self.single = x, single
        self.weights: dict[str, Any] = {name: getattr(net, name) for name in WEIGHTS}
        xp = self.xp = net._backend.namespace
        pool = (net.pool_size, net.pool_size)
        calls = [Call(conv, CONV, 3), Call(relu, {}, 0),
                 Call(max_pool, {"kernel_size": pool, "stride": pool, **POOL}, 0)]
        arrays, needs = (x, self._filters(), net.filter_bias), (False, True, True)
        (self.pooled,), features_backward = run_calls(calls, arrays, needs)
        self.flat: Any = xp.reshape(xp.permute_dims(self.pooled, (0, 2, 3, 1)), (x.shape[0], -1))
        bias = xp.reshape(net.fc_bias, (-1,))
        (self.scores,), dense_backward = linear(self.flat, net.fc_weights, bias, needs=(True, True, True))
        self.backward_functions: tuple[Any, Any] = dense_backward, features_backward

    def _filters(self) -> Array:
        """The filters with an axis for the images' one channel."""
        return self.xp.expand_dims(self.weights["filters"], axis=1)

    @cached_property
    def conv(self) -> Array:
        (y,), _ = conv(self.x, self._filters(), self.weights["filter_bias"], **CONV)
        return y

    @cached_property
    def relu(self) -> Array:
        (y,), _ = relu(self.conv)
        return y

    def gradients(self, labels: Array) -> tuple[Array, dict[str, Array]]:
        """The mean loss over the batch, and its gradient with respect to each weight."""
        xp, (dense_backward, features_backward) = self.xp, self.backward_functions
        (loss,), loss_backward = cross_entropy(self.scores, labels, None, needs=(True, False, False), **LOSS)
        dflat, dweights, dbias = dense_backward(loss_backward(xp.ones_like(loss))[0])
        _, F, h, w = self.pooled.shape
        dpooled = xp.permute_dims(xp.reshape(dflat, (-1, h, w, F)), (0, 3, 1, 2))
        _, dfilters, dfilter_bias = features_backward(dpooled)
        return loss, {"filters": xp.reshape(dfilters, self.weights["filters"].shape),
                      "filter_bias": dfilter_bias, "fc_weights": dweights,
                      "fc_bias": xp.reshape(dbias, (-1, 1))}
