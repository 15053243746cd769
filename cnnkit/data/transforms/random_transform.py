"""RandomTransform: what all random transforms share: how numbers are drawn, and which images are taken."""

from __future__ import annotations

import copy
import inspect
import math
from typing import Any

from cnnkit import random
from cnnkit.autograd import Tensor
from cnnkit.backends import Array, backend_of, namespace_of, on
from cnnkit.data.transforms.arrays import batched
from cnnkit.foreign import is_array
from cnnkit.ops.precision import is_floating
from cnnkit.random import Key

__all__ = ["Draws", "RandomTransform", "between", "probability"]

Draws = list[list[float]]
BLOCK = 1 << 17  # elements that are changed at once in host memory


class RandomTransform:
    """A transform that draws its parameters anew for each image.

    ``t(images)`` changes one image (C, H, W) or each image of a batch (N, C, H, W), floating-point arrays of
    any library or Tensors; ``t(images, labels)`` gives the labels back beside them, as torchvision's v2
    transforms do. torchvision draws once a call, so a batch shares its parameters there.

    The numbers of image i are row i of one draw with the key: ``t(images, key=key)[:n]`` is
    ``t(images[:n], key=key)``. They are plain Python numbers, so every library gets the same; only the pixels
    are computed on the images' device. Without a key `cnnkit.random`'s generator gives one. No gradient
    flows through.

    Labels that are masks, (N, H, W) or (N, K, H, W) of the images' height and width, are moved with the
    pixels: read at the nearest pixel, and `mask_fill` outside the image (0 in masks of floats).

    A subclass sets `numbers`, how many numbers an image needs, and `moves_pixels`, and defines `change`.

    Attributes
    ----------
    moves_pixels : bool or None
        Whether pixels change their place, so that masks must follow; masks are refused where it is ``None``.
    mask_fill : int
        The class outside the image, -100 as the ``ignore_index`` of the losses.
    """

    numbers = 1
    moves_pixels: bool | None = None
    mask_fill: int = -100
    alone = True  # whether an image depends on its own numbers only

    def __call__(self, images: Any, labels: Any = None, *, key: Key | None = None) -> Any:
        key = random.next_key() if key is None else key
        changed = batched(self, images, lambda x: self._blocks(x, self.draws(key, x.shape[0]), key))
        if labels is None:
            return changed
        return changed, masked(self, images, labels, key) if is_array(labels) and labels.ndim > 1 else labels

    def transform_batch(self, images: Any) -> Any:
        """The same: a batch is taken as it is."""
        return self(images)

    def mixes_labels(self) -> bool:
        """Whether it makes probabilities of labels."""
        return False

    def label_classes(self) -> int | None:
        """The number of classes, where it makes probabilities and was given one."""
        return None

    def draws(self, key: Key, count: int) -> Draws:
        """A row of `numbers` numbers for each of `count` images, uniform in (0, 1)."""
        words = random.randint(key, (count, self.numbers), 0, 1 << 32).tolist()
        return [[(word + 0.5) * 2.0**-32 for word in row] for row in words]

    def _blocks(self, x: Array, draws: Draws, key: Key) -> Array:
        """`change`, in host memory block by block: intermediate results stay in the processor's caches."""
        count = -(-math.prod(x.shape) // BLOCK) if self.alone and backend_of(x).host else 1
        if count <= 1:
            return self.change(x, draws, key)
        step = -(-len(draws) // count)
        return namespace_of(x).concat([self.change(x[n:n + step, ...], draws[n:n + step], key)
                                       for n in range(0, len(draws), step)])

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        """The images (N, C, H, W) changed by their draws; `key` is for drawing more, such as noise."""
        raise NotImplementedError(f"{type(self).__name__} must define change")

    def __repr__(self) -> str:
        shown, attributes = {}, {**vars(type(self)), **vars(self)}
        for p in inspect.signature(type(self)).parameters.values():
            if p.name not in attributes:  # stored under another name, so show all attributes
                shown = vars(self)
                break
            if p.default is p.empty or attributes[p.name] != p.default:
                shown[p.name] = attributes[p.name]
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


def masked(transform: RandomTransform, images: Any, labels: Any, key: Key) -> Any:
    """Masks moved as `transform` moves the images' pixels with this key; other labels as they are.

    Raises
    ------
    TypeError
        If nobody knows whether the transform moves pixels.
    ValueError
        If the labels have a height and width, but not the images'.
    """
    axes = tuple(labels.shape)[1:] if images.ndim == 4 else tuple(labels.shape)
    if len(axes) < 2 or transform.moves_pixels is False:
        return labels
    if axes[-2:] != tuple(images.shape[-2:]) or len(axes) > 3:
        raise ValueError(f"{transform!r} got images of shape {tuple(images.shape)} and labels of shape "
                         f"{tuple(labels.shape)}: masks need the images' height and width, to be moved alike")
    if transform.moves_pixels is None:
        raise TypeError(f"{transform!r} got masks of shape {tuple(labels.shape)} and does not say whether it "
                        f"moves pixels: set moves_pixels = True or False in class {type(transform).__name__}")
    array = labels.array if isinstance(labels, Tensor) else labels
    with on(array):
        xp = namespace_of(array)
        floats = is_floating(array.dtype)
        x = array if floats else xp.astype(array, xp.float32)  # holds class indices exactly
        x = xp.reshape(x, (-1 if images.ndim == 4 else 1, axes[0] if len(axes) == 3 else 1, *axes[-2:]))
        moved = _for_masks(transform, floats).change(x, transform.draws(key, x.shape[0]), key)
        moved = xp.reshape(moved, (*labels.shape[:-2], *moved.shape[-2:]))
        moved = moved if floats else xp.astype(moved, array.dtype)
    return Tensor(moved) if isinstance(labels, Tensor) else moved


def _for_masks(transform: RandomTransform, floats: bool) -> RandomTransform:
    """The transform with settings that make no new classes: nearest pixels, and `mask_fill` outside."""
    nearest = copy.copy(transform)
    settings = {"interpolation": "nearest", "antialias": False, "fill": 0 if floats else transform.mask_fill}
    vars(nearest).update({name: value for name, value in settings.items() if name in vars(transform)})
    return nearest


def probability(name: str, p: float) -> float:
    """`p`, if it is between 0 and 1."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}(p={p}): p is a probability from 0 to 1; write 20 % as 0.2")
    return p


def between(low: float, high: float, draw: float) -> float:
    """A number that is uniform from `low` to `high`."""
    return low + (high - low) * draw
