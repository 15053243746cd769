"""Layers: parameters and settings around `cnnkit.functional`, under PyTorch's names."""

from cnnkit.nn import init
from cnnkit.nn.activation import ELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Tanh
from cnnkit.nn.clip import clip_grad_norm_, clip_grad_value_
from cnnkit.nn.container import ModuleList, Sequential
from cnnkit.nn.conv import Conv2d
from cnnkit.nn.dropout import Dropout
from cnnkit.nn.flatten import Flatten
from cnnkit.nn.linear import Identity, Linear
from cnnkit.nn.loss import CrossEntropyLoss, MSELoss, NLLLoss
from cnnkit.nn.module import Module, Parameter
from cnnkit.nn.norm import BatchNorm1d, BatchNorm2d
from cnnkit.nn.pooling import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d

__all__ = [
    "ELU", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "Conv2d",
    "CrossEntropyLoss", "Dropout", "Flatten", "Identity", "LeakyReLU", "Linear", "LogSoftmax", "MSELoss", "MaxPool2d",
    "Module", "ModuleList", "NLLLoss", "Parameter", "ReLU", "Sequential", "SiLU", "Sigmoid", "Softmax", "Tanh",
    "clip_grad_norm_", "clip_grad_value_", "init",
]
