"""Activations at PyTorch's place."""

from cnnkit.nn.activation import *
from cnnkit.nn.gates import *
