"""A convolution as the dense layer that it is: most connections removed, the rest sharing a few weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnkit import shapes
from cnnkit.autograd import Tensor
from cnnkit.backends import namespace_of
from cnnkit.foreign import device_of

__all__ = ["ConvMatrix", "conv_as_matrix"]

Array = Any


class ConvMatrix:
    """What `conv_as_matrix` returns: a dense layer's matrix, and which weight each of its connections shares.

    Attributes
    ----------
    weight : Tensor, (K, C, R, S)
        The convolution's weight.
    matrix : Tensor, (out_features, in_features)
        The dense layer's weight, with zeros where a connection is removed. It is made from `weight` on the
        tape: its gradient reaches `weight` summed over the connections that share each weight.
    input_shape, output_shape : tuple of int
        ``(C, H, W)`` and ``(K, P, Q)``; features are counted in C order.
    kept, removed : int
        How many connections of the dense layer the convolution has, and how many it lacks.
    distinct : int
        Different weights among the kept connections.
    """

    input_shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]
    weight: Tensor
    matrix: Any

    def __init__(self, weight: Tensor, input_shape: tuple[int, int, int], output_shape: tuple[int, int, int],
                 rows: Array, columns: Array):
        # rows is (R, P, H): 1 where kernel row r connects output row p to input row h, else 0; columns
        # is (S, Q, W), likewise
        self.weight, self.input_shape, self.output_shape = weight, input_shape, output_shape
        self._rows, self._columns = rows, columns
        xp = namespace_of(rows)
        (K, C, R, S), (_, H, W), (_, P, Q) = weight.shape, input_shape, output_shape
        # matrix[k,p,q,c,h,w] = sum over r, s of weight[k,c,r,s] rows[r,p,h] columns[s,q,w], of which at
        # most one term is not 0
        wide = weight @ Tensor(xp.reshape(columns, (S, Q * W)))
        wide = wide.transpose(2, 3) @ Tensor(xp.reshape(rows, (R, P * H)))
        self.matrix = wide.reshape(K, C, Q, W, P, H).permute(0, 4, 2, 1, 5, 3).reshape(K * P * Q, C * H * W)
        pairs, used = [], []
        for connected in (rows, columns):
            per_tap = xp.sum(connected, axis=(1, 2))
            pairs.append(round(float(xp.sum(per_tap))))
            used.append(round(float(xp.sum(xp.astype(per_tap > 0, connected.dtype)))))
        self.kept = K * C * pairs[0] * pairs[1]
        self.removed = math.prod(self.matrix.shape) - self.kept
        self.distinct = K * C * used[0] * used[1]

    @property
    def index(self) -> Array:
        """The weight of each connection, as integers (out_features, in_features); -1 where it is removed.

        Weight i is ``weight.reshape(-1)[i]``.
        """
        xp = namespace_of(self._rows)
        (K, C, R, S), (_, H, W), (_, P, Q) = self.weight.shape, self.input_shape, self.output_shape

        def tap_numbers(connected: Array, taps: int) -> Array:
            """(taps, out, in) of 0 and 1 -> (out, in): the tap, or -1."""
            numbers = xp.reshape(_numbers(connected, taps) + 1, (taps, 1, 1))
            return xp.sum(xp.astype(connected, numbers.dtype) * numbers, axis=0) - 1
        r = xp.reshape(tap_numbers(self._rows, R), (1, P, 1, 1, H, 1))
        s = xp.reshape(tap_numbers(self._columns, S), (1, 1, Q, 1, 1, W))
        kernel = xp.reshape(_numbers(r, K * C), (K, 1, 1, C, 1, 1))
        index = xp.where((r < 0) | (s < 0), xp.full_like(r, -1), (kernel * R + r) * S + s)
        return xp.reshape(index, (K * P * Q, C * H * W))

    def __call__(self, x: Any) -> Tensor:
        """Apply the dense layer: images (N, C, H, W) are flattened, multiplied and folded to (N, K, P, Q)."""
        x = x if isinstance(x, Tensor) else Tensor(x)
        if x.shape[1:] != self.input_shape:
            raise ValueError("this matrix takes images of shape (N, "
                             f"{', '.join(map(str, self.input_shape))}); got {x.shape}")
        return (x.flatten(1) @ self.matrix.T).reshape(-1, *self.output_shape)

    def tie(self, gradient: Any) -> Tensor:
        """The gradient of `weight`, (K, C, R, S), from a gradient of `matrix`.

        It is summed over the connections that share a weight; those that are removed are left out.
        """
        gradient = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
        xp = namespace_of(self._rows)
        (K, C, R, S), (_, H, W), (_, P, Q) = self.weight.shape, self.input_shape, self.output_shape
        wide = gradient.reshape(K, P, Q, C, H, W).permute(0, 3, 2, 5, 1, 4).reshape(K, C, Q * W, P * H)
        wide = wide @ Tensor(xp.permute_dims(xp.reshape(self._rows, (R, P * H)), (1, 0)))
        return wide.transpose(2, 3) @ Tensor(xp.permute_dims(xp.reshape(self._columns, (S, Q * W)), (1, 0)))

    def __repr__(self) -> str:
        outputs, inputs = self.matrix.shape
        return (f"ConvMatrix({outputs} x {inputs} = {outputs * inputs} connections: {self.removed} removed, "
                f"{self.kept} kept, which share {self.distinct} weights)")


def conv_as_matrix(weight: Any, input_shape: Sequence[int], stride: Any = 1, padding: Any = 0,
                   dilation: Any = 1) -> ConvMatrix:
    """A convolution as a dense layer "with some connections removed and some weights shared" (the guide).

    Parameters
    ----------
    weight : Tensor or array, (K, C, R, S)
        The convolution's weight; if it requires a gradient, the matrix does too.
    input_shape : (C, H, W)
        Of one image.
    stride, padding, dilation
        As in `cnnkit.functional.conv2d`. The matrix has ``K P Q C H W`` numbers: meant for small images.

    Returns
    -------
    ConvMatrix

    Raises
    ------
    ValueError
        If the shapes do not fit, as in ``conv2d``.

    >>> import cnnkit
    >>> conv_as_matrix(cnnkit.tensor([[[[1.0, 2.0]]]]), (1, 1, 4)).matrix
    tensor([[1., 2., 0., 0.],
            [0., 1., 2., 0.],
            [0., 0., 1., 2.]])
    >>> conv_as_matrix(cnnkit.tensor([[[[1.0] * 3] * 3] * 1] * 8), (1, 28, 28))
    ConvMatrix(5408 x 784 = 4239872 connections: 4191200 removed, 48672 kept, which share 72 weights)
    """
    weight = weight if isinstance(weight, Tensor) else Tensor(weight)
    if len(input_shape) != 3:
        raise ValueError(f"conv_as_matrix takes the shape (C, H, W) of one image; got {tuple(input_shape)}")
    C, H, W = input_shape
    _, K, P, Q = shapes.conv_output_shape((1, C, H, W), weight.shape, stride, padding,
                                          dilation, op="conv_as_matrix")
    kernel = weight.shape[2:]
    (sh, sw), (dh, dw) = shapes.per_axis(stride, "stride"), shapes.per_axis(dilation, "dilation")
    (top, _), (left, _) = shapes.pads(padding, (H, W), kernel, stride, dilation)
    rows = _connected(weight.array, kernel[0], P, H, sh, top, dh)
    columns = _connected(weight.array, kernel[1], Q, W, sw, left, dw)
    return ConvMatrix(weight, (C, H, W), (K, P, Q), rows, columns)


def _connected(like: Array, taps: int, outputs: int, inputs: int, stride: int, before: int,
          dilation: int) -> Array:
    """(taps, outputs, inputs): 1 where that tap connects that output to that input, 0 elsewhere."""
    xp = namespace_of(like)
    tap = xp.reshape(_numbers(like, taps), (taps, 1, 1))
    out = xp.reshape(_numbers(like, outputs), (1, outputs, 1))
    source = xp.reshape(_numbers(like, inputs), (1, 1, inputs))
    return xp.astype(out * stride - before + tap * dilation == source, like.dtype)


def _numbers(like: Array, count: int) -> Array:
    """0 ... count - 1, as the library's usual integers, on the device of `like`."""
    return namespace_of(like).arange(count, device=device_of(like))
