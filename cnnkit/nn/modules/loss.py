"""Losses at PyTorch's place."""

from cnnkit.nn.loss import *
