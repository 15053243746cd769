"""Padding at PyTorch's place."""

from cnnkit.nn.padding import *
