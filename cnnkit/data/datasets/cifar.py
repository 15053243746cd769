"""CIFAR-10 and CIFAR-100 in their binary version: records of a label or two and 3,072 bytes of pixels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cnnkit.data.contracts import Transform
from cnnkit.data.dataset import ArrayDataset
from cnnkit.storage import FormatError, read_bytes

__all__ = ["CIFAR10", "CIFAR100", "read_cifar"]

SHAPE, PIXELS = (3, 32, 32), 3 * 32 * 32
_FINE = """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard
lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter
palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket
rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper
table tank telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf
woman worm"""
_COARSE = """aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices
household_furniture insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes
large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people reptiles small_mammals trees
vehicles_1 vehicles_2"""


def read_cifar(path: str | os.PathLike[str], labels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Read one file of CIFAR's binary version.

    Parameters
    ----------
    path : path
        Such as ``data_batch_1.bin``.
    labels : int
        Bytes before the pixels of each image: 1 in CIFAR-10, 2 in CIFAR-100 (coarse, fine).

    Returns
    -------
    images : ndarray of uint8, shape (N, 3, 32, 32)
        Red, green, blue.
    labels : ndarray of uint8, shape (N, labels)

    Raises
    ------
    FormatError
        A ValueError: if the file is empty or holds no whole number of such records.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(bytes([7]) + bytes(3072))
    ...     _ = file.flush()
    ...     images, labels = read_cifar(file.name)
    >>> images.shape, labels.tolist()
    ((1, 3, 32, 32), [[7]])
    """
    content, record = np.frombuffer(read_bytes(path), np.uint8), labels + PIXELS
    size = content.size
    if size == 0 or size % record:
        other = 3 - labels
        hint = (f"; it would be {size // (other + PIXELS):,} records of CIFAR-{100 if other == 2 else 10}"
                if size and size % (other + PIXELS) == 0 else "; get it again")
        raise FormatError(f"{path} is no whole file of CIFAR's binary version: "
                         f"records of {labels} + 3,072 bytes were expected, and {size:,} bytes are "
                         f"{size // record:,} of them and {size % record:,} bytes more{hint}")
    records = content.reshape(-1, record)
    return np.ascontiguousarray(records[:, labels:]).reshape(-1, *SHAPE), records[:, :labels].copy()


class CIFAR10(ArrayDataset):
    """Colour photographs of 32 x 32 pixels in 10 classes: 50,000 training and 10,000 test images.

    Parameters
    ----------
    root : path, optional
        The folder with ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin`` ("binary
        version"), or one that holds it as ``cifar-10-batches-bin``. If they are not there, the folder in the
        environment variable ``CNNKIT_DATA`` is searched too.
    train : bool
        The training or the test images.
    transform : callable, optional
        Applied to each picture (32, 32, 3) of uint8, as in torchvision.

    Attributes
    ----------
    data : ndarray of uint8, shape (N, 3, 32, 32)
        The images. (torchvision's have the channels last.)
    targets : ndarray of int64, shape (N,)
        The labels, 0 to 9.

    Raises
    ------
    FileNotFoundError
        If the files are not there; the message says which, where it looked, and where they are to be had.
    FormatError
        A ValueError: if a file has a wrong size or a label that does not exist.

    References
    ----------
    A. Krizhevsky (2009), "Learning multiple layers of features from tiny images".

    Examples
    --------
    >>> from cnnkit.data import datasets
    >>> datasets.CIFAR10("./data").classes[:2]  # doctest: +SKIP
    ('airplane', 'automobile')
    """

    names: tuple[str, ...] = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog",
                              "horse", "ship", "truck")
    folder: str = "cifar-10-batches-bin"
    archive: str = "cifar-10-binary.tar.gz"
    labels_per_image: int = 1
    files: dict[bool, tuple[str, ...]] = {True: tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
                                          False: ("test_batch.bin",)}
    root: Path | None
    train: bool

    def __init__(self, root: str | os.PathLike[str] | None = None, train: bool = True,
                 transform: Transform | None = None):
        self.root, self.train = None if root is None else Path(root), train
        self.source: Path = self._locate()
        parts = [read_cifar(self.source / name, self.labels_per_image) for name in self.files[train]]
        labels = [part[1][:, self._column()] for part in parts]
        for name, part_labels in zip(self.files[train], labels):
            if part_labels.max() >= len(self.names):
                raise FormatError(f"{self.source / name}: label {part_labels.max()} of image "
                                 f"{part_labels.argmax()} is outside 0..{len(self.names) - 1}; "
                                 "the file is damaged, or of another data set: get it again")
        super().__init__(np.concatenate([part[0] for part in parts]),
                         np.concatenate(labels), self.names, transform)

    def _column(self) -> int:
        return 0

    def _places(self) -> Iterator[Path]:
        """Folders that may hold the files, best first."""
        for base in (self.root, Path(os.environ["CNNKIT_DATA"]) if os.environ.get("CNNKIT_DATA") else None):
            if base is not None:
                yield base
                yield base / self.folder

    def _locate(self) -> Path:
        folders, files = list(self._places()), self.files[self.train]
        missing = {folder: [name for name in files if not (folder / name).is_file()] for folder in folders}
        for folder, names in missing.items():
            if not names:
                return folder
        incomplete = "".join(f"; {folder} lacks {', '.join(names)}" for folder, names in missing.items()
                             if len(names) < len(files))
        raise FileNotFoundError(
            f"{type(self).__name__} was not found; looked in "
            f"{', '.join(map(str, folders)) or '(no folder)'} for {', '.join(files)}{incomplete}. "
            f"Get {self.archive} from https://www.cs.toronto.edu/~kriz/cifar.html, unpack it, "
            f"and pass root= or set CNNKIT_DATA to the folder that holds {self.folder}")


class CIFAR100(CIFAR10):
    """Colour photographs of 32 x 32 pixels in 100 classes, or 20 groups of them.

    50,000 training and 10,000 test images, found as those of `CIFAR10` are, in ``cifar-100-binary``
    (``train.bin`` and ``test.bin``).

    Parameters
    ----------
    root, train, transform
        As in `CIFAR10`.
    coarse : bool
        Label by the 20 groups instead of the 100 classes.

    Examples
    --------
    >>> from cnnkit.data import datasets
    >>> len(datasets.CIFAR100("./data", train=False).classes)  # doctest: +SKIP
    100
    """

    names: tuple[str, ...] = tuple(_FINE.split())
    folder: str = "cifar-100-binary"
    archive: str = "cifar-100-binary.tar.gz"
    labels_per_image: int = 2
    files: dict[bool, tuple[str, ...]] = {True: ("train.bin",), False: ("test.bin",)}

    def __init__(self, root: str | os.PathLike[str] | None = None, train: bool = True,
                 transform: Transform | None = None, *, coarse: bool = False):
        self.coarse = coarse
        if coarse:
            self.names = tuple(_COARSE.split())
        super().__init__(root, train, transform)

    def _column(self) -> int:
        return 0 if self.coarse else 1
