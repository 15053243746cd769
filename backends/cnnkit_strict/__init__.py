"""The array-api-strict backend: arrays that refuse whatever the Array API standard does not promise."""

from typing import Any

import numpy as np

from cnnkit.backends import ArrayAPIBackend


class StrictBackend(ArrayAPIBackend):
    """array-api-strict arrays; they convert to NumPy through DLPack, which the standard promises."""

    shares = (1,)
    assigns = False

    def devices(self) -> dict[str, Any]:
        return {str(device).split("'")[1]: device
                for device in self.namespace.__array_namespace_info__().devices()}

    def to_numpy(self, array: Any) -> np.ndarray:
        try:
            return np.from_dlpack(array)
        except BufferError:  # NumPy 2.0 exports no read-only array
            return np.from_dlpack(self.asarray(array))


backend = StrictBackend("array-api-strict", "array_api_strict", ("array_api_strict._array_object:Array",))
