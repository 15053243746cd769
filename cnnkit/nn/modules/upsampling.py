"""Resizing at PyTorch's place."""

from cnnkit.nn.resizing import *
