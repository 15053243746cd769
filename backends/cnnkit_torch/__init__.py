"""The PyTorch backend, without a single kernel: torch tensors through the Array API, autograd left unused."""

from typing import Any

import numpy as np

from cnnkit.backends import ArrayAPIBackend


class TorchBackend(ArrayAPIBackend):
    """Torch tensors as plain arrays."""

    def asarray(self, data: Any, dtype: Any = None, device: str | None = None) -> Any:
        import torch

        data = data if isinstance(data, torch.Tensor) else torch.from_numpy(np.array(data))
        return torch.asarray(data, dtype=self.dtype(dtype) if dtype is not None else data.dtype, device=device).clone()

    def to_numpy(self, array: Any) -> np.ndarray:
        array = array.detach().cpu()
        return (array.float() if "bfloat16" in str(array.dtype) else array).numpy()  # NumPy has no bfloat16


backend = TorchBackend("torch", "array_api_compat.torch", ("torch:Tensor",), "torch")
