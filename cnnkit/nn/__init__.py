"""Layers: parameters and settings around `cnnkit.functional`, under PyTorch's names."""

from cnnkit.nn.container import ModuleList, Sequential
from cnnkit.nn.module import Module, Parameter

__all__ = ["Module", "ModuleList", "Parameter", "Sequential"]
