"""Embedding at PyTorch's place."""

from cnnkit.nn.embedding import *
