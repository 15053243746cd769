"""Module at PyTorch's place."""

from cnnkit.nn.module import *
