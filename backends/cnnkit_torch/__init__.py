"""The PyTorch backend, without a single kernel: torch tensors through the Array API, autograd left unused."""

from typing import Any

import numpy as np

from cnnkit.backends import ArrayAPIBackend


class TorchBackend(ArrayAPIBackend):
    """Torch tensors as plain arrays."""

    shares = (1, 2)

    def devices(self) -> dict[str, Any]:
        import torch

        names = ["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
        return {name: torch.device(name) for name in names}

    def locate(self, device: Any) -> Any:
        import torch

        try:
            # PyTorch knows accelerators that `devices` does not list
            return torch.device(device) if isinstance(device, str) else device
        except RuntimeError:
            return super().locate(device)

    def asarray(self, data: Any, dtype: Any = None, device: Any = None) -> Any:
        import torch

        device = self.locate(device)
        data = (data.detach() if isinstance(data, torch.Tensor)
                else torch.from_numpy(np.array(self.hosted(data))))
        return torch.asarray(data, dtype=self.dtype(dtype) if dtype is not None else data.dtype,
                             device=device).clone()

    def to_numpy(self, array: Any) -> np.ndarray:
        array = array.detach().cpu()
        # what NumPy does not have is float32 to it, which is exact
        foreign = "bfloat16" in str(array.dtype) or "float8" in str(array.dtype)
        return (array.float() if foreign else array).numpy()


backend = TorchBackend("torch", "array_api_compat.torch", ("torch:Tensor",), "torch")
