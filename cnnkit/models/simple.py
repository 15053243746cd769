"""The guide's SimpleCNN, working: one convolution, ReLU, max pooling and a dense layer, and its training."""

from __future__ import annotations

import math
from typing import Any

from cnnkit import backends, random, shapes
from cnnkit.models import arguments
from cnnkit.models.forward_pass import CONV, LOSS, POOL, WEIGHTS, ForwardPass
from cnnkit.ops.activation import relu, softmax
from cnnkit.ops.conv import conv
from cnnkit.ops.loss import cross_entropy
from cnnkit.ops.pool import max_pool

__all__ = ["SimpleCNN"]

Array = Any
CHUNK = 256  # images that `predict` takes at a time


class SimpleCNN:
    """A CNN of one convolution, one pooling layer and a dense output layer (guide, "From Scratch").

    Every method takes one image (H, W) or a batch (N, H, W), of any size and library; uint8 pictures are
    divided by 255. The outputs for one image have the guide's shapes. For a batch, feature maps get an axis N
    in front, and ``flattened``, ``fc_output`` and ``softmax_output`` have a column for each image, so that
    ``fc_weights @ flattened + fc_bias == fc_output`` holds for both. Pixels that are NaN or infinite are
    refused.

    Parameters
    ----------
    num_filters : int
        Number of filters in the convolutional layer.
    filter_size : int
        Size of each filter (kernel).
    input_size : (int, int)
        Dimensions of input images (height, width).
    pool_size : int
        Size of the pooling window.
    output_classes : int
        Number of output classes.
    learning_rate : float
        Step size for weight updates.
    seed : int
        Where the initial weights, and the order of the images in `train`, come from.
    dtype : str
        The dtype of all arrays; the guide's is ``"float64"``.
    backend : str, optional
        Where the arrays are made; by default the backend in use.

    Attributes
    ----------
    filters : array, (F, k, k)
        Drawn from a normal distribution, divided by k * k (the guide's 9).
    filter_bias : array, (F,)
        One for each filter: the guide's formula for parameters counts it, but its class has none.
    fc_weights : array, (classes, features)
        Scaled by 1/sqrt(features), so that the first scores are about 1 in size; the guide's are not scaled.
    fc_bias : array, (classes, 1)
        Zeros at first.
    conv_output, relu_output : array, (h, w, F)
        Outputs of the last `forward`, like those below; (N, h, w, F) for a batch.
    pooled_output : array, (h // p, w // p, F)
    flattened : array, (features, 1)
        `pooled_output` in C order.
    fc_output, softmax_output : array, (classes, 1)
    history : list of (loss, accuracy)
        One for each epoch of `train`.

    >>> from cnnkit.data import datasets
    >>> digits = datasets.digits()
    >>> net = SimpleCNN(input_size=(8, 8))
    >>> net.train(digits.data, digits.targets, epochs=2)  # doctest: +ELLIPSIS
    Epoch 1, Loss: 1.45..., Accuracy: 56... %
    Epoch 2, Loss: 0.35..., Accuracy: 90... %
    >>> net.predict(digits.data[0, 0])
    0
    """

    num_filters: int
    filter_size: int
    pool_size: int
    output_classes: int
    dtype: str
    seed: int
    filters: Array
    fc_weights: Array

    def __init__(self, num_filters: int = 8, filter_size: int = 3,
                 input_size: tuple[int, ...] = (28, 28), pool_size: int = 2,
                 output_classes: int = 10, learning_rate: float = 0.01, *, seed: int = 0,
                 dtype: Any = "float32", backend: Any = None):
        self.num_filters = num_filters = arguments.whole("num_filters", num_filters, 1, 8)
        self.filter_size = filter_size = arguments.whole("filter_size", filter_size, 1, 3)
        self.input_size: tuple[int, int] = arguments.image_size(input_size)
        self.pool_size = pool_size = arguments.whole("pool_size", pool_size, 1, 2)
        self.output_classes = output_classes = arguments.whole("output_classes", output_classes, 1, 10)
        self.learning_rate: float = arguments.step_size(learning_rate)
        self.seed, self.dtype = seed, backends.dtype_name(dtype)
        self._backend = backends.get(backend) if backend is not None else backends.current()
        convolved = shapes.output_size(self.input_size, filter_size)
        pooled = shapes.output_size(convolved, pool_size, pool_size)
        features = pooled[0] * pooled[1] * num_filters
        placement: dict[str, Any] = {"dtype": self.dtype, "backend": self._backend}
        first, second, self._orders = random.split(random.key(seed), 3)
        self.filters = random.normal(first, (num_filters, filter_size, filter_size),
                                     std=filter_size ** -2, **placement)
        self.filter_bias: Array = self._backend.asarray([0.0] * num_filters, self.dtype)
        self.fc_weights = random.normal(second, (output_classes, features), std=features ** -0.5, **placement)
        self.fc_bias: Array = self._backend.asarray([[0.0]] * output_classes, self.dtype)
        self.history: list[tuple[float, float]] = []
        self._pass: ForwardPass | None = None

    # -- the layers, one by one ------------------------------------------------------------------------------

    def convolve(self, X: Any) -> Array:
        """Slide every filter over the image: (h, w) -> (h - k + 1, w - k + 1, F)."""
        x, single = arguments.images(self, X)
        filters = self._backend.namespace.reshape(self.filters, (-1, 1, self.filter_size, self.filter_size))
        return self._guide_layout(conv(x, filters, self.filter_bias, **CONV)[0][0], single)

    def relu(self, x: Any) -> Array:
        """Each element, or 0 where it is negative."""
        return relu(arguments.array(self, x))[0][0]

    def pool(self, X: Any) -> Array:
        """Take the largest value of each window: (h, w, F) -> (h // p, w // p, F)."""
        x = arguments.array(self, X)
        xp, single = self._backend.namespace, x.ndim == 3
        x = xp.permute_dims(x[None, ...] if single else x, (0, 3, 1, 2))
        window = (self.pool_size, self.pool_size)
        return self._guide_layout(max_pool(x, kernel_size=window, stride=window, **POOL)[0][0], single)

    def softmax(self, x: Any) -> Array:
        """Turn scores into probabilities, column by column."""
        return softmax(arguments.array(self, x), axis=0)[0][0]

    # -- forward, loss, backward -----------------------------------------------------------------------------

    def forward(self, X: Any) -> Array:
        """Run the network; returns `softmax_output`, and keeps each layer's output."""
        x, single = arguments.images(self, X)
        self._pass = ForwardPass(self, x, single)
        return self.softmax_output

    def compute_loss(self, y_true: Any) -> float:
        """Cross-entropy of the last `forward`; the mean over a batch."""
        scores = self._last().scores
        return float(cross_entropy(scores, arguments.labels(self, y_true, scores.shape[0]),
                                   None, **LOSS)[0][0])

    def gradients(self, X: Any, y_true: Any) -> dict[str, Array]:
        """The loss's gradient with respect to each weight, under its attribute's name."""
        x, single = arguments.images(self, X)
        last = self._pass
        if last is None or not self._is_current(last, x):
            last = self._pass = ForwardPass(self, x, single)
        return last.gradients(arguments.labels(self, y_true, last.scores.shape[0]))[1]

    def _is_current(self, last: ForwardPass, x: Array) -> bool:
        """Whether a pass was of these images, with the present weights."""
        return (last.x.shape == x.shape
                and all(getattr(self, name) is weight for name, weight in last.weights.items())
                and bool(self._backend.namespace.all(last.x == x)))

    def backward(self, X: Any, y_true: Any) -> None:
        """Backpropagate the loss, and take one step of gradient descent."""
        self._descend(self.gradients(X, y_true))

    def _descend(self, gradients: dict[str, Array]) -> None:
        for name, gradient in gradients.items():
            setattr(self, name, getattr(self, name) - self.learning_rate * gradient)

    def train(self, X: Any, y: Any, epochs: int = 10, *, batch_size: int = 1, shuffle: bool = True,
              verbose: bool = True) -> None:
        """Train by gradient descent, and print each epoch's loss and accuracy (of batches before their step).

        Parameters
        ----------
        X : array, (H, W) or (N, H, W)
            One image, or a whole set.
        y : int, or array of int, (N,)
            The class of each image.
        epochs : int
            How many times every image is seen.
        batch_size : int
            Images a step; their gradients are averaged.
        shuffle : bool
            Take the images in a new order in each epoch.
        verbose : bool
            Print a line for each epoch.

        Raises
        ------
        ValueError
            If an argument makes no sense, or an image holds NaN or infinity; nothing is changed then.
        FloatingPointError
            If the loss of an epoch is no finite number: the weights are then what they were before the call.
        """
        epochs = arguments.whole("epochs", epochs, 0, 10)
        batch_size = arguments.whole("batch_size", batch_size, 1, 32)
        arguments.step_size(self.learning_rate)
        x, single = arguments.images(self, X)
        xp, count = self._backend.namespace, x.shape[0]
        labels = arguments.labels(self, y, count)
        initial = [(name, getattr(self, name)) for name in WEIGHTS], len(self.history)
        for epoch in range(epochs):
            order = (random.permutation(random.fold_in(self._orders, len(self.history)), count)
                     if shuffle else range(count))
            order = self._backend.asarray(order, "int64")
            total: Any = 0.0
            correct: Any = 0
            for start in range(0, count, batch_size):
                batch = order[start:min(start + batch_size, count)]
                batch_labels = xp.take(labels, batch, axis=0)
                self._pass = ForwardPass(self, xp.take(x, batch, axis=0), single)
                loss, gradients = self._pass.gradients(batch_labels)
                self._descend(gradients)
                total = total + loss * batch_labels.shape[0]
                correct = correct + xp.count_nonzero(xp.argmax(self._pass.scores, axis=1) == batch_labels)
            loss = float(total) / count
            if not math.isfinite(loss):
                self._restore(*initial)
                raise FloatingPointError(f"SimpleCNN's loss is {loss} after epoch {epoch + 1}: "
                                         "its numbers overflow; the weights are as they were before train; "
                                         f"lower learning_rate (it is {self.learning_rate})")
            self.history.append((loss, int(correct) / count))
            if verbose:
                print(f"Epoch {epoch + 1}, Loss: {self.history[-1][0]:.4f}, Accuracy: "
                      f"{100 * self.history[-1][1]:.2f} %")

    def _restore(self, weights: list[tuple[str, Array]], epochs: int) -> None:
        for name, weight in weights:
            setattr(self, name, weight)
        del self.history[epochs:]

    def predict(self, X: Any) -> Any:
        """The most probable class: an int for one image, an array (N,) for a batch."""
        x, single = arguments.images(self, X)
        parts = []
        for start in range(0, x.shape[0], CHUNK):
            self._pass = ForwardPass(self, x[start:min(start + CHUNK, x.shape[0]), ...], single)
            parts.append(self._backend.namespace.argmax(self._pass.scores, axis=1))
        return int(parts[0][0]) if single else self._backend.namespace.concat(parts)

    # -- outputs of the last forward -------------------------------------------------------------------------

    def _last(self) -> ForwardPass:
        if self._pass is None:
            raise AttributeError("the network has not run yet: call forward(X) first")
        return self._pass

    @property
    def conv_output(self) -> Array:
        return self._guide_layout(self._last().conv)

    @property
    def relu_output(self) -> Array:
        return self._guide_layout(self._last().relu)

    @property
    def pooled_output(self) -> Array:
        return self._guide_layout(self._last().pooled)

    @property
    def flattened(self) -> Array:
        return self._backend.namespace.matrix_transpose(self._last().flat)

    @property
    def fc_output(self) -> Array:
        return self._backend.namespace.matrix_transpose(self._last().scores)

    @property
    def softmax_output(self) -> Array:
        return softmax(self.fc_output, axis=0)[0][0]

    def _guide_layout(self, maps: Array, single: bool | None = None) -> Array:
        """(N, F, h, w) as the guide lays it out: (h, w, F), or (N, h, w, F)."""
        maps = self._backend.namespace.permute_dims(maps, (0, 2, 3, 1))
        return maps[0, ...] if (self._last().single if single is None else single) else maps
