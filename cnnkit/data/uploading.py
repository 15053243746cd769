"""From host arrays to Tensors where a model is: a copy that a worker begins and the computing thread ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnkit import backends
from cnnkit.autograd import Tensor, tensor
from cnnkit.data.contracts import PixelTable
from cnnkit.data.pixels import look_up

__all__ = ["Uploads"]


class Uploads:
    """Where a loader's batches go.

    Parameters
    ----------
    backend : str, optional
        Backend or device; by default `expected`, which whoever takes the batches may set, and without that
        what `cnnkit.use` has chosen by then.

    >>> uploads = Uploads(None)
    >>> uploads.finish(uploads.start(np.zeros(2, np.float32)))
    tensor([0., 0.])
    """

    def __init__(self, backend: Any):
        self.backend = backend
        self.expected: str | None = None

    def place(self) -> tuple[backends.Backend, Any]:
        """Backend and device of the batches."""
        return backends.place(self.backend or self.expected)

    def start(self, array: Any) -> Any:
        """Start to copy a host array: what `finish` takes."""
        if not isinstance(array, np.ndarray):
            return array
        backend, device = self.place()
        return backend.upload(array, array.dtype, device)

    def finish(self, upload: Any) -> Tensor:
        """The Tensor of what was started."""
        if isinstance(upload, Tensor):
            return upload if self.backend is None else upload.to(self.backend)
        if callable(upload):
            return Tensor(upload())
        return tensor(upload, backend=self.backend or self.expected)

    def start_looked_up(self, indices: np.ndarray, dataset: PixelTable, values: np.ndarray) -> tuple[Any,
                        ...]:
        """Images and labels, the pixels looked up where the batch goes, if a kernel does that there."""
        backend, device = self.place()
        images, labels = dataset.stored_batch(indices)
        x = look_up(images, values, backend, device)
        if x is None:
            host, labels = dataset.batch(indices)
            if not (backend.owns(host) and device is None):
                return self.start(host), self.start(labels)
            x = host  # a new array that nobody else holds
        return Tensor(x), self.start(labels)
