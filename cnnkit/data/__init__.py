"""Images and labels for training: datasets, transforms, and the loader that makes batches of them."""

from cnnkit.data import datasets, transforms
from cnnkit.data.balance import ClassBalance, class_balance
from cnnkit.data.dataset import ArrayDataset, ConcatDataset, Dataset, Subset
from cnnkit.data.distributed_sampler import DistributedSampler
from cnnkit.data.grid import make_grid, save_image
from cnnkit.data.input_format import InputFormat, InputWarning
from cnnkit.data.joined import ChainDataset, StackDataset
from cnnkit.data.loader import DataLoader
from cnnkit.data.on_device import TensorDataset
from cnnkit.data.preprocessing import Preprocessing
from cnnkit.data.sampler import WeightedRandomSampler
from cnnkit.data.source import SOURCES, load
from cnnkit.data.split import random_split
from cnnkit.data.stream import IterableDataset

__all__ = ["SOURCES", "ArrayDataset", "ChainDataset", "ClassBalance", "ConcatDataset", "DataLoader",
           "Dataset", "DistributedSampler", "InputFormat", "InputWarning", "IterableDataset",
           "Preprocessing", "StackDataset", "Subset", "TensorDataset", "WeightedRandomSampler",
           "class_balance", "datasets", "load", "make_grid", "random_split", "save_image", "transforms"]
