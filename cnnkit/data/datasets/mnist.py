"""MNIST and Fashion-MNIST: found on this machine, or downloaded and checked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cnnkit.data.contracts import Transform
from cnnkit.data.dataset import ArrayDataset
from cnnkit.data.datasets.archive import read_arrays
from cnnkit.data.datasets.idx import read_images, read_labels

__all__ = ["MNIST", "FashionMNIST"]


class MNIST(ArrayDataset):
    """Handwritten digits: 60,000 training and 10,000 test images of 28 x 28 pixels.

    Parameters
    ----------
    root : path, optional
        A folder with the four idx files (gzipped or not, also in ``MNIST/raw`` as torchvision leaves them) or
        with ``mnist.npz``, or that .npz file. If the images are not there, the folder in the environment
        variable ``CNNKIT_DATA`` is searched too, then what an earlier download left.
    train : bool
        The training or the test images.
    transform : callable, optional
        Applied to each image, as in torchvision.
    download : bool
        If the images are nowhere, get them from the internet, check them, and keep them in ``root/MNIST/raw``
        (without `root`, in the user's cache).

    Attributes
    ----------
    data : ndarray of uint8, shape (N, 28, 28)
        The images.
    targets : ndarray of int64, shape (N,)
        The labels, 0 to 9.
    source : Path
        The file that the images are from.

    Raises
    ------
    FileNotFoundError
        If there is no copy and `download` is false; the message says where it looked.
    ValueError
        If a file is cut off, damaged or of the wrong kind.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner (1998), "Gradient-based learning applied to
    document recognition".

    Examples
    --------
    >>> from cnnkit.data import datasets, transforms
    >>> mnist = datasets.MNIST(root="./data", train=True, transform=transforms.ToTensor())  # doctest: +SKIP
    >>> mnist.data.shape, mnist.targets[:3].tolist()  # doctest: +SKIP
    ((60000, 28, 28), [5, 0, 4])
    """

    names: tuple[str, ...] = tuple("0123456789")
    folders = ("MNIST/raw", "mnist", "MNIST")
    archive = "mnist.npz"
    system: str | None = None  # where a system package puts the files
    package = ""
    # Mirrors and checksums are those that torchvision publishes: torchvision/datasets/mnist.py, class MNIST.
    mirrors: tuple[str, ...] = ("https://ossci-datasets.s3.amazonaws.com/mnist/",
                                "http://yann.lecun.com/exdb/mnist/")
    md5 = {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }

    def __init__(self, root: str | os.PathLike | None = None, train: bool = True,
                 transform: Transform | None = None, download: bool = False):
        self.root, self.train = None if root is None else Path(root), train
        files = self._locate()
        if files is None and download:
            self._download()
            files = self._locate()
        if files is None:
            raise FileNotFoundError(self._advice())
        self.source = files[0]
        if len(files) == 1:
            part = "train" if train else "test"
            images, labels = read_arrays(files[0], f"x_{part}", f"y_{part}")
        else:
            images, labels = read_images(files[0]), read_labels(files[1])
        try:
            super().__init__(images, labels, self.names, transform)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{' and '.join(map(str, files))}: {error}") from None

    def _places(self) -> Iterator[Path]:
        """Folders and archives that may hold the images, best first."""
        if self.root is not None:
            yield from self._within(self.root)
            # only `root` may hold the files itself: MNIST and Fashion-MNIST name them alike
            yield self.root
        if os.environ.get("CNNKIT_DATA"):
            yield from self._within(Path(os.environ["CNNKIT_DATA"]))
        if self.system:
            yield Path(self.system)
        yield from self._within(self._cache())

    def _within(self, base: Path) -> Iterator[Path]:
        yield from (base / folder for folder in self.folders)
        yield base / self.archive

    def _pair(self, place: Path) -> tuple[Path | None, Path | None]:
        """The files of images and of labels in a folder, gzipped or not."""
        part = "train" if self.train else "t10k"
        names = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
        images, labels = (next((f for f in (place / n, place / f"{n}.gz") if f.is_file()), None)
                          for n in names)
        return images, labels

    def _locate(self) -> tuple[Path, ...] | None:
        for place in self._places():
            if place.suffix == ".npz" and place.is_file():
                return (place,)
            images, labels = self._pair(place)
            if images and labels:
                return images, labels
        return None

    @staticmethod
    def _cache() -> Path:
        import pooch
        return Path(pooch.os_cache("cnnkit"))

    def _download(self) -> None:
        import pooch
        folder = (self.root or self._cache()) / self.folders[0]
        for name, md5 in self.md5.items():
            reasons = []
            for mirror in self.mirrors:
                try:
                    pooch.retrieve(mirror + name, f"md5:{md5}", fname=name, path=folder)
                    break
                except (OSError, ValueError) as error:  # ValueError is pooch's for a wrong checksum
                    reasons.append(f"{mirror}{name}: {type(error).__name__}: {str(error).splitlines()[0]}")
            else:
                raise OSError(f"{type(self).__name__} could not be downloaded ({'; '.join(reasons)}); "
                              "get the files another way and pass root=, the folder that they are in (on the "
                              "command line: set CNNKIT_DATA to a folder that holds them in "
                              f"{self.folders[0]})")

    def _advice(self) -> str:
        name, places = type(self).__name__, list(self._places())
        halves = [half for place in places for half in self._pair(place) if half]
        package = f"install Debian's package {self.package}; " if self.package else ""
        return (f"{name} was not found; looked in {', '.join(map(str, places))}"
                + "".join(f" (which has {half.name} only)" for half in halves)
                + f". Set CNNKIT_DATA to a folder that holds {self.folders[1]}/ (with {', '.join(self.md5)}) "
                f"or {self.archive}; {package}download it (--download on the command line, "
                f"{name}(download=True) in Python); or pass root=, the files' folder, in Python")


class FashionMNIST(MNIST):
    """Pictures of clothing in MNIST's format, in 10 classes: 60,000 training and 10,000 test images.

    Found and downloaded as `MNIST` is (in ``FashionMNIST/raw``, ``fashion-mnist`` or ``fashion-mnist.npz``),
    and also where Debian's package ``dataset-fashion-mnist`` puts it.

    References
    ----------
    H. Xiao, K. Rasul and R. Vollgraf (2017), "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms".

    Examples
    --------
    >>> from cnnkit.data import datasets
    >>> datasets.FashionMNIST(train=False).classes[:2]  # doctest: +SKIP
    ('T-shirt/top', 'Trouser')
    """

    names = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt",
             "Sneaker", "Bag", "Ankle boot")
    folders = ("FashionMNIST/raw", "fashion-mnist", "FashionMNIST")
    archive = "fashion-mnist.npz"
    system = "/usr/share/datasets/fashion-mnist"
    package = "dataset-fashion-mnist"
    # Checksums as published by the data set's authors (README.md of zalandoresearch/fashion-mnist) and
    # by torchvision.
    mirrors = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
    md5 = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }
