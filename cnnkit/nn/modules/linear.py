"""Dense layers at PyTorch's place."""

from cnnkit.nn.linear import *
