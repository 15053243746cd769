"""The array-api-strict backend: refuses whatever the Array API standard does not promise, so it proves the generic ops."""

import numpy as np

from cnnkit.backends import ArrayAPIBackend


class StrictBackend(ArrayAPIBackend):
    """array-api-strict arrays; they convert to NumPy through DLPack, which the standard promises."""

    def to_numpy(self, array: object) -> np.ndarray:
        return np.from_dlpack(array)


backend = StrictBackend("array-api-strict", "array_api_strict", ("array_api_strict._array_object:Array",))
