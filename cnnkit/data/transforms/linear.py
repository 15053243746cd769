"""A linear map of whole images, such as whitening."""

from __future__ import annotations

from typing import Any

from cnnkit.backends import Array, backend_of, namespace_of
from cnnkit.data.host import host_array
from cnnkit.data.transforms.arrays import batched
from cnnkit.foreign import device_of

__all__ = ["LinearTransformation"]


class LinearTransformation:
    """Subtract a mean from the image as one row of numbers, and multiply it by a matrix.

    Parameters
    ----------
    transformation_matrix : array, (D, D)
        With D = C * H * W.
    mean_vector : array, (D,)

    Raises
    ------
    ValueError
        If the shapes do not fit each other or the image.

    >>> import numpy
    >>> LinearTransformation(2 * numpy.eye(4), numpy.ones(4))(numpy.ones((1, 2, 2)) * 3).tolist()
    [[[4.0, 4.0], [4.0, 4.0]]]
    """

    def __init__(self, transformation_matrix: Any, mean_vector: Any):
        self.transformation_matrix: Any = host_array(transformation_matrix, "transformation_matrix")
        self.mean_vector: Any = host_array(mean_vector, "mean_vector")
        size = self.mean_vector.size
        if self.mean_vector.ndim != 1 or self.transformation_matrix.shape != (size, size):
            raise ValueError("LinearTransformation() takes a matrix (D, D) and a mean (D,), got shapes "
                             f"{self.transformation_matrix.shape} and {self.mean_vector.shape}")

    def __call__(self, image: Any) -> Any:
        return batched(self, image, self._change)

    def transform_batch(self, images: Any) -> Any:
        """The same: a batch is taken as it is."""
        return self(images)

    def _change(self, x: Array) -> Array:
        xp, size = namespace_of(x), self.mean_vector.size
        if x.shape[1] * x.shape[2] * x.shape[3] != size:
            raise ValueError(f"{self!r} got images of shape {tuple(x.shape[1:])}")
        matrix, mean = (backend_of(x).asarray(values, x.dtype, device_of(x))
                        for values in (self.transformation_matrix, self.mean_vector))
        # a product for each image, so that an image's bits do not depend on the batch
        rows = xp.reshape(x, (x.shape[0], 1, size)) - mean
        return xp.reshape(xp.matmul(rows, matrix), x.shape)

    def __repr__(self) -> str:
        return f"LinearTransformation(of images of {self.mean_vector.size} numbers)"
