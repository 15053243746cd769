"""MNIST and Fashion-MNIST: found on this machine, or downloaded and checked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cnnkit.data.contracts import Transform
from cnnkit.data.dataset import ArrayDataset
from cnnkit.data.datasets.archive import read_arrays
from cnnkit.data.datasets.idx import read_images, read_labels
from cnnkit.storage import FormatError

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
    FormatError
        A ValueError: if a file is cut off, damaged or of the wrong kind.

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
    folders: tuple[str, ...] = ("MNIST/raw", "mnist", "MNIST")
    archive = "mnist.npz"
    system: str | None = None  # where a system package puts the files
    package = ""
    # torchvision's mirror and TensorFlow's, over https alone; the checksums are those of torchvision and
    # tensorflow-datasets
    mirrors: tuple[str, ...] = ("https://ossci-datasets.s3.amazonaws.com/mnist/",
                                "https://storage.googleapis.com/cvdf-datasets/mnist/")
    sha256: dict[str, str] = {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    }
    root: Path | None
    train: bool

    def __init__(self, root: str | os.PathLike[str] | None = None, train: bool = True,
                 transform: Transform | None = None, download: bool = False):
        self.root, self.train = None if root is None else Path(root), train
        files = self._locate()
        if files is None and download:
            self._download()
            files = self._locate()
        if files is None:
            raise FileNotFoundError(self._advice())
        self.source: Path = files[0]
        if len(files) == 1:
            part = "train" if train else "test"
            images, labels = read_arrays(files[0], f"x_{part}", f"y_{part}")
        else:
            images, labels = read_images(files[0]), read_labels(files[1])
        try:
            super().__init__(images, labels, self.names, transform)
        except (TypeError, ValueError) as error:
            raise FormatError(f"{' and '.join(map(str, files))}: {error}") from None

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
        for name, sha256 in self.sha256.items():
            reasons = []
            for mirror in self.mirrors:
                try:
                    pooch.retrieve(mirror + name, f"sha256:{sha256}", fname=name, path=folder)
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
                + f". Set CNNKIT_DATA to a folder that holds {self.folders[1]}/ "
                f"(with {', '.join(self.sha256)}) or {self.archive}; {package}download it "
                f"(--download on the command line, {name}(download=True) in Python); "
                "or pass root=, the files' folder, in Python")


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
    folders: tuple[str, ...] = ("FashionMNIST/raw", "fashion-mnist", "FashionMNIST")
    archive = "fashion-mnist.npz"
    system = "/usr/share/datasets/fashion-mnist"
    package = "dataset-fashion-mnist"
    # The authors' bucket by its https address (the one in their README is http), and their repository; the
    # checksums are those of torchvision and tensorflow-datasets.
    mirrors = ("https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
               "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/")
    sha256 = {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    }
