"""Datasets known by name, and readers of images in arrays, class folders, tables and other files."""

from cnnkit.data.datasets.archive import npy, npz
from cnnkit.data.datasets.cifar import CIFAR10, CIFAR100, read_cifar
from cnnkit.data.datasets.folder import ImageFolder
from cnnkit.data.datasets.idx import read_idx
from cnnkit.data.datasets.image_table import ImageTable
from cnnkit.data.datasets.mnist import MNIST, FashionMNIST
from cnnkit.data.datasets.optical_digits import digits
from cnnkit.data.datasets.segmentation import SegmentationFolder
from cnnkit.data.image_file import read_image

__all__ = ["CIFAR10", "CIFAR100", "MNIST", "FashionMNIST", "ImageFolder", "ImageTable",
           "SegmentationFolder", "digits", "npy", "npz", "read_cifar", "read_idx", "read_image"]
