"""Images and labels for training: datasets, transforms, and the loader that makes batches of them."""

from cnnkit.data import datasets, transforms
from cnnkit.data.dataset import ArrayDataset, Dataset, Subset
from cnnkit.data.loader import DataLoader
from cnnkit.data.source import SOURCES, load
from cnnkit.data.split import random_split

__all__ = ["SOURCES", "ArrayDataset", "DataLoader", "Dataset", "Subset", "datasets", "load", "random_split",
           "transforms"]
