"""The guide's own listing of SimpleCNN, repaired just enough to run: what "from scratch" costs.

The algorithm is the listing's: Python loops over filters and positions, one image at a time. Repaired are the
size of the dense layer (the convolution gives 26 pixels, so pooling gives 13, not 14), and the gradient of
pooling, which gets the convolution's shape.
"""

from __future__ import annotations

import numpy as np


class SimpleCNN:
    """The guide's network: a convolution, ReLU, max pooling and a dense layer."""

    def __init__(self, num_filters=8, filter_size=3, input_size=(28, 28), pool_size=2, output_classes=10,
                 learning_rate=0.01):
        self.num_filters, self.filter_size, self.pool_size = num_filters, filter_size, pool_size
        self.learning_rate = learning_rate
        rng = np.random.default_rng(0)
        self.filters = rng.standard_normal((num_filters, filter_size, filter_size)) / 9
        side = (input_size[0] - filter_size + 1) // pool_size
        self.fc_weights = rng.standard_normal((output_classes, side * side * num_filters)) * 0.05
        self.fc_bias = np.zeros((output_classes, 1))

    def forward(self, X):
        """The probabilities of one image (28, 28)."""
        n, k, p = X.shape[0] - self.filter_size + 1, self.filter_size, self.pool_size
        self.conv_output = np.zeros((n, n, self.num_filters))
        for f in range(self.num_filters):
            for i in range(n):
                for j in range(n):
                    self.conv_output[i, j, f] = np.sum(X[i:i + k, j:j + k] * self.filters[f])
        self.relu_output = np.maximum(0, self.conv_output)
        h = n // p
        self.pooled = np.zeros((h, h, self.num_filters))
        for i in range(h):
            for j in range(h):
                window = self.relu_output[i * p:(i + 1) * p, j * p:(j + 1) * p]
                self.pooled[i, j] = window.max(axis=(0, 1))
        self.flat = self.pooled.reshape(-1, 1)
        z = self.fc_weights @ self.flat + self.fc_bias
        e = np.exp(z - z.max())
        self.probs = e / e.sum()
        return self.probs

    def backward(self, X, y):
        """Gradients of cross-entropy, and an update of the weights."""
        dz = self.probs.copy()
        dz[y, 0] -= 1
        dpool = (self.fc_weights.T @ dz).reshape(self.pooled.shape)
        drelu = np.zeros_like(self.relu_output)
        h, p = self.pooled.shape[0], self.pool_size
        for i in range(h):
            for j in range(h):
                window = slice(i * p, (i + 1) * p), slice(j * p, (j + 1) * p)
                region = self.relu_output[window]
                drelu[window] = (region == region.max(axis=(0, 1), keepdims=True)) * dpool[i, j]
        drelu *= self.conv_output > 0
        dfilters = np.zeros_like(self.filters)
        n, k = drelu.shape[0], self.filter_size
        for f in range(self.num_filters):
            for i in range(n):
                for j in range(n):
                    dfilters[f] += X[i:i + k, j:j + k] * drelu[i, j, f]
        self.fc_weights -= self.learning_rate * (dz @ self.flat.T)
        self.fc_bias -= self.learning_rate * dz
        self.filters -= self.learning_rate * dfilters
