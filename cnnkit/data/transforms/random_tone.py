"""Changes of tone: gray, inverted, posterized, solarized, sharpened, stretched and equalized images."""

from __future__ import annotations

from cnnkit.backends import Array, namespace_of
from cnnkit.data.transforms import tone
from cnnkit.data.transforms.arrays import chosen
from cnnkit.data.transforms.random_transform import Draws, FixedTransform, RandomTransform, probability
from cnnkit.random import Key

__all__ = ["Grayscale", "RandomAdjustSharpness", "RandomAutocontrast", "RandomEqualize", "RandomGrayscale",
           "RandomInvert", "RandomPosterize", "RandomSolarize"]


class Grayscale(FixedTransform):
    """Make an image gray.

    Parameters
    ----------
    num_output_channels : 1 or 3
        How many channels the result has, all alike.

    >>> import numpy
    >>> Grayscale()(numpy.asarray([[[255, 0, 0]]], "uint8")).tolist()
    [[[76]]]
    """

    moves_pixels: bool = False

    def __init__(self, num_output_channels: int = 1):
        if num_output_channels not in (1, 3):
            raise ValueError(f"Grayscale(num_output_channels={num_output_channels}): give 1 or 3")
        self.num_output_channels = num_output_channels

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        gray = tone.grayscale(x, self.white)
        return namespace_of(x).concat([gray] * self.num_output_channels, axis=1)


class _Sometimes(RandomTransform):
    """A change of tone that an image undergoes with probability `p`."""

    moves_pixels: bool = False

    def __init__(self, p: float = 0.5):
        self.p: float = probability(type(self).__name__, p)

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        return chosen(x, [draw < self.p for (draw,) in draws],
                      namespace_of(x).astype(self.toned(x), x.dtype, copy=False))

    def toned(self, x: Array) -> Array:
        """The images (N, C, H, W), from 0 to ``self.white``, all changed."""
        raise NotImplementedError(f"{type(self).__name__} must define toned")


class RandomGrayscale(_Sometimes):
    """Make an image gray with probability `p`; it keeps its number of channels.

    >>> import numpy
    >>> RandomGrayscale(p=1)(numpy.asarray([[[255, 0, 0]]], "uint8")).tolist()
    [[[76, 76, 76]]]
    """

    def __init__(self, p: float = 0.1):
        super().__init__(p)

    def toned(self, x: Array) -> Array:
        return namespace_of(x).broadcast_to(tone.grayscale(x, self.white), x.shape)


class RandomInvert(_Sometimes):
    """Make dark bright and bright dark with probability `p`.

    >>> import numpy
    >>> RandomInvert(p=1)(numpy.asarray([[0, 55]], "uint8")).tolist()
    [[255, 200]]
    """

    def toned(self, x: Array) -> Array:
        return tone.invert(x, self.white)


class RandomPosterize(_Sometimes):
    """Leave the upper `bits` of each value's 8 bits, with probability `p`.

    >>> import numpy
    >>> RandomPosterize(bits=1, p=1)(numpy.asarray([[3, 130, 255]], "uint8")).tolist()
    [[0, 128, 128]]
    """

    def __init__(self, bits: int, p: float = 0.5):
        super().__init__(p)
        if bits not in range(9):
            raise ValueError(f"RandomPosterize(bits={bits}): give a whole number from 0 to 8")
        self.bits = bits

    def toned(self, x: Array) -> Array:
        return tone.posterize(x, self.white, self.bits)


class RandomSolarize(_Sometimes):
    """Invert what is at least as bright as `threshold`, with probability `p`.

    Parameters
    ----------
    threshold : float
        In the images' own values: 0 to 1 of floats, 0 to 255 of pictures.
    p : float
        The probability that an image is changed.

    >>> import numpy
    >>> RandomSolarize(128, p=1)(numpy.asarray([[3, 128, 255]], "uint8")).tolist()
    [[3, 127, 0]]
    """

    def __init__(self, threshold: float, p: float = 0.5):
        super().__init__(p)
        self.threshold = threshold

    def toned(self, x: Array) -> Array:
        return tone.solarize(x, self.white, self.threshold)


class RandomAdjustSharpness(_Sometimes):
    """Sharpen an image, or with a factor below 1 smooth it, with probability `p`.

    Parameters
    ----------
    sharpness_factor : float
        0 is smooth, 1 the image as it is, 2 twice as sharp.
    p : float
        The probability that an image is changed.

    >>> import numpy
    >>> image = numpy.zeros((3, 3), "uint8")
    >>> image[1, 1] = 130
    >>> RandomAdjustSharpness(0, p=1)(image)[1].tolist()
    [0, 50, 0]
    """

    def __init__(self, sharpness_factor: float, p: float = 0.5):
        super().__init__(p)
        if sharpness_factor < 0:
            raise ValueError(f"RandomAdjustSharpness(sharpness_factor={sharpness_factor}): "
                             "give a number that is not negative")
        self.sharpness_factor = sharpness_factor

    def toned(self, x: Array) -> Array:
        return tone.sharpen(x, self.white, self.sharpness_factor)


class RandomAutocontrast(_Sometimes):
    """Stretch each channel from black to white, with probability `p`.

    >>> import numpy
    >>> RandomAutocontrast(p=1)(numpy.asarray([[10, 20, 30]], "uint8")).tolist()
    [[0, 127, 255]]
    """

    def toned(self, x: Array) -> Array:
        return tone.autocontrast(x, self.white)


class RandomEqualize(_Sometimes):
    """Spread each channel's values so that about as many pixels have each, with probability `p`.

    >>> import numpy
    >>> image = numpy.arange(1024).reshape(32, 32) // 8
    >>> RandomEqualize(p=1)(image.astype("uint8")).max()
    np.uint8(255)
    """

    def toned(self, x: Array) -> Array:
        return tone.equalize(x, self.white)
