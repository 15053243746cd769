"""RandomTransform: what all random transforms share: how numbers are drawn, and which images are taken."""

from __future__ import annotations

import copy
import inspect
import math
from typing import Any

from cnnkit import random
from cnnkit.autograd import Tensor
from cnnkit.backends import Array, backend_of, dtype_name, namespace_of, on
from cnnkit.data.transforms.arrays import WHITE, Opened, opened
from cnnkit.foreign import is_array, is_tensor
from cnnkit.ops.dtypes import is_floating
from cnnkit.random import Key

__all__ = ["Draws", "FixedTransform", "RandomTransform", "between", "probability"]

Draws = list[list[float]]
BLOCK = 1 << 17  # elements that are changed at once in host memory


class RandomTransform:
    """A transform that draws its parameters anew for each image.

    ``t(images)`` changes one image (C, H, W) or each image of a batch (N, C, H, W), floating-point arrays of
    any library or Tensors. Of one picture, a Pillow image or a uint8 array (H, W) or (H, W, C), it makes such
    a picture; ``fill`` is then a value from 0 to 255. ``t(images, labels)`` gives the labels back beside
    them, as torchvision's v2 transforms do. torchvision draws once a call, so a batch shares its parameters
    there.

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
    white : float
        The brightest value of the images that `change` is given: 1, or 255 of pictures.
    """

    numbers = 1
    moves_pixels: bool | None = None
    mask_fill: int = -100
    alone = True  # whether an image depends on its own numbers only
    white: float = 1.0

    def __call__(self, images: Any, labels: Any = None, *, key: Key | None = None) -> Any:
        form = opened(self, images)
        key = self.fresh_key() if key is None else key
        changed = self._changed(form, key)
        if labels is None:
            return changed
        return changed, masked(self, form, labels, key) if is_array(labels) and labels.ndim > 1 else labels

    def transform_batch(self, images: Any) -> Any:
        """The same of many: a batch is taken as it is, and pictures are (N, H, W) or (N, H, W, C)."""
        if is_tensor(images) or not is_array(images) or dtype_name(images.dtype) not in WHITE:
            return self(images)
        return self._changed(opened(self, images, batch=True), self.fresh_key())

    def fresh_key(self) -> Key:
        """The key of a call that is given none."""
        return random.next_key()

    def _changed(self, form: Opened, key: Key) -> Any:
        transform = self
        if form.white != self.white:
            transform = copy.copy(self)
            transform.white = form.white
        with on(form.x):
            return form.closed(transform._blocks(form.x, self.draws(key, form.x.shape[0]), key))

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


class FixedTransform(RandomTransform):
    """A transform without random numbers that takes images, pictures and masks as the random ones do."""

    numbers = 0

    def fresh_key(self) -> Key:
        """Any key: nothing is drawn, and the generator is left alone."""
        return 0, 0

    def draws(self, key: Key, count: int) -> Draws:
        """Nothing for each image."""
        return [[] for _ in range(count)]


def masked(transform: RandomTransform, form: Opened, labels: Any, key: Key) -> Any:
    """Masks moved as `transform` moves the images' pixels with this key; other labels as they are.

    Raises
    ------
    TypeError
        If nobody knows whether the transform moves pixels.
    ValueError
        If the labels have a height and width, but not the images'.
    """
    images = form.x
    axes = tuple(labels.shape) if form.single else tuple(labels.shape)[1:]
    if len(axes) < 2 or transform.moves_pixels is False:
        return labels
    if axes[-2:] != tuple(images.shape[-2:]) or len(axes) > 3:
        shape = tuple(images.shape)[1 if form.single else 0:]
        raise ValueError(f"{transform!r} got images of shape {shape} and labels of shape "
                         f"{tuple(labels.shape)}: masks need the images' height and width, to be moved alike")
    if transform.moves_pixels is None:
        raise TypeError(f"{transform!r} got masks of shape {tuple(labels.shape)} and does not say whether it "
                        f"moves pixels: set moves_pixels = True or False in class {type(transform).__name__}")
    array = labels.array if isinstance(labels, Tensor) else labels
    with on(array):
        xp = namespace_of(array)
        floats = is_floating(array.dtype)
        x = array if floats else xp.astype(array, xp.float32)  # holds class indices exactly
        x = xp.reshape(x, (1 if form.single else -1, axes[0] if len(axes) == 3 else 1, *axes[-2:]))
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
