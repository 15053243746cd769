"""Normalisation of groups and of layers at PyTorch's place."""

from cnnkit.nn.group_norm import *
