"""What a model learns from and what is held out; and, once it is saved, which images it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnkit.cli.screen import counted

if TYPE_CHECKING:
    from cnnkit.data import Dataset

__all__ = ["Parts", "Unseen", "damaged", "parts", "unseen"]

SHARE = 0.2  # the share of images that is held out where the data have no test part


@dataclass(frozen=True)
class Parts:
    """What to learn from, what is held out, and what a model's settings say of that.

    Attributes
    ----------
    learn, held_out : Dataset
    source : Dataset
        The data as they are, of which `learn` may be a part.
    record : dict
        ``fingerprint``, of the data that were learned from; ``share`` and ``seed``, where a share of them was
        held out at random.
    """

    learn: Dataset
    held_out: Dataset
    source: Dataset
    record: dict[str, Any]


@dataclass(frozen=True)
class Unseen:
    """The images that a saved model is measured on, and what the user must know of them.

    Attributes
    ----------
    images : Dataset
    part : {"all", "test part", "held-out part"}
    of : int
        How many images there are in all.
    warning : str
        Empty where there is nothing to say.
    """

    images: Dataset
    part: str
    of: int
    warning: str = ""


def parts(data: str, val: str | None, seed: int, **options: Any) -> Parts:
    """The data's training part, and what ``--val`` asks for, or the test part, or a share of the images.

    `options` are those of `data.load`.
    """
    from cnnkit import data as datasets
    from cnnkit.data.fingerprint import fingerprint

    learn, test = datasets.load(data, **options)
    record = {"fingerprint": fingerprint(learn)}
    share = _share(val)
    if isinstance(share, str):
        return Parts(learn, _other(share, data, learn, **options), learn, record)
    if val is None and test is not None:
        return Parts(learn, test, learn, record)
    few, held_out = _split(data, learn, seed, share)
    return Parts(few, held_out, learn, {**record, "share": share, "seed": seed})


def unseen(saved: Any, model: Path, source: str, learn: Dataset, test: Dataset | None, every: bool) -> Unseen:
    """The images of `source` that a saved model has not learned from, as far as its settings tell.

    Parameters
    ----------
    saved : SavedModel
    model : Path
        Its file, for messages.
    source : str
        What `learn` and `test` were loaded from.
    every : bool
        Take all images, also those that were learned from.
    """
    from cnnkit.data.fingerprint import fingerprint

    if test is not None:
        return Unseen(test, "test part", len(test))
    record = saved.settings.get("held_out") or {}
    same = "fingerprint" in record and record["fingerprint"] == fingerprint(learn)
    if same and "share" in record and not every:
        held_out = _split(source, learn, record["seed"], record["share"])[1]
        return Unseen(held_out, "held-out part", len(learn))
    warning = ""
    if same:
        seen = "most of these images" if "share" in record else "these images"
        warning = f"{model} has learned from {seen}: how well it knows new ones is not seen here"
    elif record and saved.settings.get("training", {}).get("data") == source:
        warning = (f"{source} has changed since {model} learned from it, so which of its images were held "
                   "out is not known: all are measured, also those that it has learned from")
    return Unseen(learn, "all", len(learn), warning)


def damaged(images: Dataset) -> list[str]:
    """What to say of a folder's files that could not be read and were left out."""
    from cnnkit.data.datasets.image_files import ImageFiles

    files = images.corrupt if isinstance(images, ImageFiles) else []
    if not files:
        return []
    total = len(files) + len(images)
    return [f"{len(files):,} of {counted(total, 'image')} cannot be read and "
            f"{'is' if len(files) == 1 else 'are'} left out (--on-error raise stops instead):",
            *(f"    {reason}" for _, reason in files)]


def _share(val: str | None) -> float | str:
    """The share of images to hold out, or the name of other data."""
    try:
        share = SHARE if val is None else float(val)
    except ValueError:
        return str(val)
    if not 0 < share < 1:
        raise ValueError(f"--val {val}: a share of the images is a number between 0 and 1")
    return share


def _split(data: str, images: Dataset, seed: int, share: float) -> tuple[Dataset, Dataset]:
    """The images to learn from and those held out."""
    from cnnkit.data import random_split

    learn, held_out = random_split(images, [1 - share, share], seed)
    if not len(held_out) or not len(learn):
        raise ValueError(f"{data} has {counted(len(images), 'image')}: at least {round(1 / share)} are "
                         f"needed, because one in {round(1 / share)} is held out to measure the model")
    return learn, held_out


def _other(val: str, data: str, images: Dataset, **options: Any) -> Dataset:
    """Other data of the same classes and size: their test part, or all."""
    from cnnkit import data as datasets

    if not Path(val).is_dir():
        options = {**options, "size": None}
    first, test = datasets.load(val, **options)
    held_out = first if test is None else test
    for aspect, a, b in (("classes", held_out.classes, images.classes),
                         ("size", held_out.image_shape, images.image_shape)):
        if tuple(a or ()) != tuple(b or ()):
            raise ValueError(f"--val: the {aspect} of {val} and {data} differ: "
                             f"{', '.join(map(str, a or ()))}, and {', '.join(map(str, b or ()))}")
    return held_out
