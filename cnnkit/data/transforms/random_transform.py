"""RandomTransform: what all random transforms share: how numbers are drawn, and which images are taken."""

from __future__ import annotations

import inspect
import math
from typing import Any

from cnnkit import random
from cnnkit.backends import Array, backend_of, namespace_of
from cnnkit.data.transforms.arrays import batched
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

    A subclass sets `numbers`, how many numbers an image needs, and defines `change`.
    """

    numbers = 1
    alone = True  # whether an image depends on its own numbers only

    def __call__(self, images: Any, labels: Any = None, *, key: Key | None = None) -> Any:
        key = random.next_key() if key is None else key
        changed = batched(self, images, lambda x: self._blocks(x, self.draws(key, x.shape[0]), key))
        return changed if labels is None else (changed, labels)

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


def probability(name: str, p: float) -> float:
    """`p`, if it is between 0 and 1."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}(p={p}): p is a probability from 0 to 1; write 20 % as 0.2")
    return p


def between(low: float, high: float, draw: float) -> float:
    """A number that is uniform from `low` to `high`."""
    return low + (high - low) * draw
