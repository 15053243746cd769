"""Pooling at PyTorch's place."""

from cnnkit.nn.pooling import *
