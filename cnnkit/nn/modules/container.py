"""Containers at PyTorch's place."""

from cnnkit.nn.container import *
from cnnkit.nn.module_dict import *
