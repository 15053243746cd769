"""What a dataset's item may be: a pair (image, label), a mapping with known names, or an image alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnkit.data.host import host_array
from cnnkit.data.layout import channels_last
from cnnkit.data.transforms import ToTensor
from cnnkit.foreign import is_array, is_pillow, is_tensor

__all__ = ["IMAGE_NAMES", "LABEL_NAMES", "image_of", "input_of", "is_listed_pair", "pair_of", "stack",
           "stack_images"]

IMAGE_NAMES = ("image", "img", "images", "pixel_values", "x", "input", "inputs")
LABEL_NAMES = ("label", "labels", "target", "targets", "y")
FORMS = f"a pair (image, label), or a mapping with one of {', '.join(IMAGE_NAMES)}"

_AS_TENSOR = ToTensor()


def pair_of(sample: Any, where: str = "a sample") -> tuple[Any, Any]:
    """The image and the label of an item: a pair, or a mapping that names them as Hugging Face's do.

    Parameters
    ----------
    sample : (image, label), or mapping
        With one of `IMAGE_NAMES` and one of `LABEL_NAMES` among its keys.
    where : str
        Which item it is, for the errors.

    Raises
    ------
    TypeError
        If it is something else, or its label is missing.

    >>> pair_of({"pixel_values": [[0.5]], "labels": 3, "id": 7}), pair_of(([[0.5]], 3))
    (([[0.5]], 3), ([[0.5]], 3))
    """
    if isinstance(sample, Mapping):
        image, label = _named(sample, IMAGE_NAMES, where), _named(sample, LABEL_NAMES, where)
    elif isinstance(sample, tuple | list) and len(sample) == 2:
        image, label = sample
    else:
        kind = f"a tuple of {len(sample)}" if isinstance(sample, tuple) else f"a {type(sample).__name__}"
        raise TypeError(f"a dataset must give (image, label) pairs, but {where} is {kind}; give {FORMS} and "
                        f"one of {', '.join(LABEL_NAMES)}")
    if label is None:
        raise TypeError(f"{where} has no label (None), and training and measuring need one for each image; "
                        "predict takes images without labels")
    return image, label


def input_of(sample: Any, where: str = "a sample") -> Any:
    """The image of an item for prediction, which may have a label or be the image alone.

    >>> input_of({"img": [[0.5]]}), input_of(([[0.5]], None)), input_of(np.zeros(1))
    ([[0.5]], [[0.5]], array([0.]))
    """
    if isinstance(sample, Mapping):
        return _named(sample, IMAGE_NAMES, where)
    if (isinstance(sample, tuple) and sample) or is_listed_pair(sample):
        return sample[0]
    if is_array(sample) or is_pillow(sample) or isinstance(sample, list):
        return sample
    raise TypeError(f"{where} is a {type(sample).__name__}; give an image (an array, a Tensor or a Pillow "
                    f"image), {FORMS}")


def is_listed_pair(sample: Any) -> bool:
    """Whether a list is a pair (image, label) and no image: it begins with an array or a Pillow image.

    >>> is_listed_pair([np.zeros((2, 2)), 1]), is_listed_pair([[0.0, 0.0], [0.0, 0.0]])
    (True, False)
    """
    if not isinstance(sample, list) or len(sample) != 2:
        return False
    return is_pillow(sample[0]) or (is_array(sample[0]) and np.ndim(sample[1]) == 0)


def _named(sample: Mapping, names: Sequence[str], where: str) -> Any:
    found = [name for name in names if name in sample]
    if len(found) == 1:
        return sample[found[0]]
    kind = "image" if names is IMAGE_NAMES else "label"
    problem = f"has several: {', '.join(found)}" if found else "has none of them"
    raise TypeError(f"{where} is a mapping with the keys {', '.join(map(str, sample))}; its {kind} must be "
                    f"under one of {', '.join(names)}, and it {problem}: rename the key, or give pairs "
                    "(image, label)")


def image_of(image: Any) -> np.ndarray:
    """One image as networks take it: pictures scaled to [0, 1] with the channels first, floats unchanged.

    A picture is a Pillow image, or uint8 or uint16 (H, W), (H, W, C) or (C, H, W); Tensors and PyTorch's have
    the channels first.

    >>> image_of(np.full((2, 3), 255, np.uint8)).tolist()
    [[[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]]
    """
    array = host_array(image)
    if not _is_picture(array):
        return array
    return _AS_TENSOR(array.transpose(1, 2, 0) if _channels_first(image, array) else array)


def _is_picture(array: np.ndarray) -> bool:
    return array.dtype in (np.uint8, np.uint16) and array.ndim in (2, 3)


def _channels_first(image: Any, array: np.ndarray) -> bool:
    """Whether a picture has its channels first, as Tensors do; where that is open, they are last."""
    return array.ndim == 3 and (is_tensor(image) or channels_last((1, *array.shape)) is False)


def stack_images(images: Sequence[Any], indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """One batch of images; ValueError where two differ in shape, which names both."""
    arrays = [host_array(image) for image in images]
    alike = all((array.dtype, array.shape) == (arrays[0].dtype, arrays[0].shape) for array in arrays)
    if alike and _is_picture(arrays[0]):
        batch = np.stack(arrays)
        return _AS_TENSOR.transform_batch(
            batch.transpose(0, 2, 3, 1) if _channels_first(images[0], arrays[0]) else batch)
    arrays = arrays if alike else [image_of(image) for image in images]
    for index, array in zip(indices, arrays):
        if array.shape != arrays[0].shape:
            raise ValueError("images of one batch must have one shape: "
                             f"image {indices[0]} of the dataset has shape {arrays[0].shape}, "
                             f"image {index} has {array.shape}; resize or crop them in the transform")
    return np.stack(arrays)


def stack(samples: Sequence[Any], indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join items to a batch: what `DataLoader` does with the samples of any sequence.

    Pictures become float32 (N, C, H, W) in [0, 1] as `ToTensor` makes them; other images stay as they are.
    Integer labels become int64.

    Raises
    ------
    TypeError
        If a sample is no pair and no mapping with known names, or a label no number.
    ValueError
        If the images differ in shape; the message names two of them.
    """
    pairs = [pair_of(sample, f"sample {index}") for index, sample in zip(indices, samples)]
    labels = host_array([label for _, label in pairs], "labels")
    batch = stack_images([image for image, _ in pairs], indices)
    return batch, labels.astype(np.int64) if labels.dtype.kind in "iub" else labels
