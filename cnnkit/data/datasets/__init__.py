"""Datasets that are known by name, and readers for the common ways to keep images: idx, .npz, folders of classes."""

from cnnkit.data.datasets.archive import npz
from cnnkit.data.datasets.folder import ImageFolder
from cnnkit.data.datasets.idx import read_idx
from cnnkit.data.datasets.mnist import MNIST, FashionMNIST
from cnnkit.data.datasets.optical_digits import digits

__all__ = ["MNIST", "FashionMNIST", "ImageFolder", "digits", "npz", "read_idx"]
