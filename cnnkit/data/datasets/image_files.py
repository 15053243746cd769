"""What all datasets of image files share: one size, one mode, damaged files, a cache."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import numpy as np

from cnnkit.data.contracts import Transform
from cnnkit.data.dataset import Dataset, stack
from cnnkit.data.filenames import printable
from cnnkit.data.image_cache import ImageCache, as_cache
from cnnkit.data.image_file import ImageError, ImageHead, image_head, peculiarities, read_image, shortened
from cnnkit.storage import FormatError

__all__ = ["ImageFiles", "checked_on_error"]


class ImageFiles(Dataset):
    """Image files and what is to be learnt of each; a subclass finds them.

    Parameters
    ----------
    root : Path
        The folder, for messages.
    samples : sequence of (Path, any)
        Each image's file and target.
    transform, size, mode, on_error, cache
        See `ImageFolder`.

    Attributes
    ----------
    samples : list of (Path, any)
        Those that are left.
    image_size : (int, int)
        Height and width, in pixels.
    all_one_size : bool
        Whether that is every image's size, and not that of some images turned by a quarter.
    mode : {"L", "RGB"}
        Gray or colour.
    corrupt : list of (Path, str)
        The files that were left out, and why.
    """

    cache: ImageCache | None
    root: Path
    transform: Transform | None
    corrupt: list[tuple[Path, str]]
    samples: list[tuple[Path, Any]]

    def __init__(self, root: Path, samples: Sequence[tuple[Path, Any]], transform: Transform | None,
                 size: int | Sequence[int] | None, mode: str | None, on_error: str,
                 cache: int | str | os.PathLike[str] | ImageCache | None,
                 corrupt: Sequence[tuple[Path, str]] = ()):
        if mode not in (None, "L", "RGB"):
            raise ValueError(f"mode must be 'L' (gray) or 'RGB', got {mode!r}")
        self.root, self.transform, self.cache = root, transform, as_cache(cache)
        self.samples, self.corrupt = list(samples), list(corrupt)
        self._size = None if size is None else _height_and_width(size)
        heads = self._checked(self._head, on_error)
        self._set_mode(mode, heads)
        if on_error != "raise":
            def decode(index: int) -> ImageHead:
                self._try(index)
                return heads[index]

            kept = self._checked(decode, on_error, threads=True)
            if len(kept) < len(heads):
                heads = kept
                self._set_mode(mode, heads)
        if on_error == "warn" and self.corrupt:
            warnings.warn(_left_out(self.corrupt), stacklevel=3)
        for sentence in peculiarities([file for file, _ in self.samples], heads):
            warnings.warn(f"{printable(root)}: {sentence}", stacklevel=3)
        self.all_one_size: bool = True
        self.image_size: tuple[int, int] = self._size or self._common_size(heads)

    def _checked(self, look: Callable[[int], ImageHead], on_error: str,
                 threads: bool = False) -> list[ImageHead]:
        """Look at every sample; without `on_error` "raise", those with an `ImageError` become `corrupt`."""
        def attempt(n: int) -> ImageHead | ImageError:
            try:
                return look(n)
            except ImageError as error:
                if on_error == "raise":
                    raise
                return error

        numbers = range(len(self.samples))
        if threads:
            with ThreadPoolExecutor(thread_name_prefix="cnnkit-data") as pool:
                found = list(pool.map(attempt, numbers))
        else:
            found = [attempt(n) for n in numbers]
        self.corrupt += [(file, str(result)) for (file, _), result in zip(self.samples, found)
                         if isinstance(result, ImageError)]
        self.corrupt.sort(key=lambda pair: pair[0])
        self.samples = [sample for sample, result in zip(self.samples, found)
                        if not isinstance(result, ImageError)]
        if not self.samples:
            raise FormatError(f"{printable(self.root)} has no image that can be read"
                              + (f": {self.corrupt[0][1]}" if self.corrupt else ""))
        return [result for result in found if not isinstance(result, ImageError)]

    def _set_mode(self, mode: str | None, heads: Sequence[ImageHead]) -> None:
        self.mode: str = mode or ("L" if all(head.mode == "L" for head in heads) else "RGB")

    def _common_size(self, heads: Sequence[ImageHead]) -> tuple[int, int]:
        """The size of all images; some may lie where others stand, as a camera's do, with a warning."""
        first, turned = heads[0].size, []
        for (file, _), head in zip(self.samples, heads):
            if head.size == first[::-1] != first:
                turned.append(printable(file))
            elif head.size != first:
                raise ValueError(
                    f"images differ in size: {self._measured(first)} but {printable(file)} is "
                    f"{head.size[0]} x {head.size[1]}; give size= (--size on the command line)")
        if turned:
            warnings.warn(f"{self._measured(first)}, and {len(turned):,} of {len(heads):,} images are turned "
                          f"by a quarter: {shortened(turned)}; a batch takes one size only, so give size= "
                          "(--size on the command line), or a transform that makes them equal", stacklevel=4)
        self.all_one_size = not turned
        return first

    def _measured(self, size: tuple[int, int]) -> str:
        return f"{printable(self.samples[0][0])} is {size[0]} x {size[1]} pixels (height x width)"

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._sample(*self._read(index))

    def batch(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The images and labels of `indices`; the main thread has the files decoded in threads.

        A loader's workers decode by themselves. Transforms are called one after the other, in the order of
        the indices, because they may draw random numbers.
        """
        numbers, threads = [int(i) for i in indices], os.cpu_count() or 1
        own_samples = type(self).__getitem__ is not ImageFiles.__getitem__
        if own_samples or min(threads, len(numbers)) == 1 or current_thread() is not main_thread():
            return super().batch(indices)
        with ThreadPoolExecutor(threads, thread_name_prefix="cnnkit-data") as pool:
            read = list(pool.map(self._read, numbers))
        return stack([self._sample(*parts) for parts in read], indices)

    def _read(self, index: int) -> tuple[np.ndarray, Any]:
        """A sample as its files have it, its pixels and target; several threads may call it."""
        return self._decoded(index), self._target(index)

    def _sample(self, image: np.ndarray, target: Any) -> tuple[Any, Any]:
        """A sample as the loader gets it."""
        return (image if self.transform is None else self.transform(image)), target

    def _decoded(self, index: int) -> np.ndarray:
        """The pixels of a sample: uint8 (H, W) or (H, W, 3)."""
        file = self.samples[index][0]
        if self.cache is None:
            return read_image(file, self.mode, self._size)
        return self.cache.image(file, self.mode, self._size)

    def _head(self, index: int) -> ImageHead:
        """The header of a sample; raise `ImageError` if it shows that the sample is damaged."""
        return image_head(self.samples[index][0])

    def _try(self, index: int) -> None:
        """Decode a sample; raise `ImageError` if it is damaged."""
        self._decoded(index)

    def _target(self, index: int) -> Any:
        """What is to be learnt of a sample."""
        return self.samples[index][1]

    def __repr__(self) -> str:
        height, width = self.image_size
        return (f"{type(self).__name__}({printable(self.root)!r}: {len(self)} images, {height} x {width}, "
                f"{self.mode}{'' if self.classes is None else f', {len(self.classes)} classes'})")


def checked_on_error(on_error: str) -> str:
    """What to do about damaged files, if it is one of the three possibilities."""
    if on_error not in ("raise", "warn", "skip"):
        raise ValueError(f"on_error must be 'raise', 'warn' or 'skip', got {on_error!r}")
    return on_error


def _height_and_width(size: int | Sequence[int]) -> tuple[int, int]:
    pair = tuple(map(operator.index, size)) if isinstance(size, Sequence) else (operator.index(size),) * 2
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"size={size!r}: give a number of pixels, or two, height and width; all 1 or more")
    return pair[0], pair[1]


def _left_out(corrupt: Sequence[tuple[Path, str]]) -> str:
    number = f"{len(corrupt)} damaged image{'s are' if len(corrupt) > 1 else ' is'} left out"
    reasons = "; ".join(reason for _, reason in corrupt[:5])
    return f"{number}: {reasons}{'; ...' if len(corrupt) > 5 else ''}"
