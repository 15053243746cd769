"""Wrappers at PyTorch's place: DataParallel, which only wraps, and DistributedDataParallel."""

from __future__ import annotations

from typing import Any

from cnnkit.nn.distributed import DistributedDataParallel  # noqa: F401 - torch.nn.parallel has it too
from cnnkit.nn.module import Module

__all__ = ["DataParallel"]  # of `cnnkit.nn` too


class DataParallel(Module):
    """A module in a wrapper, so that code which wants ``model.module`` and such names in its files runs.

    The batch is not divided: everything is computed where the module is.

    Parameters
    ----------
    module : Module
        What is called.
    device_ids, output_device, dim
        Accepted as PyTorch's, and of no effect.

    >>> from cnnkit import nn
    >>> list(nn.DataParallel(nn.Linear(1, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    device_ids: Any
    dim: int
    output_device: Any

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0):
        super().__init__()
        self.module = module
        self.device_ids, self.output_device, self.dim = device_ids, output_device, dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)
