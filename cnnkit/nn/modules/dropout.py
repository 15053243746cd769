"""Dropout at PyTorch's place."""

from cnnkit.nn.dropout import *
