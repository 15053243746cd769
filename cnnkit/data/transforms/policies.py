"""Learnt and random sequences of changes: AutoAugment, RandAugment, TrivialAugmentWide, AugMix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from cnnkit.backends import Array, namespace_of
from cnnkit.data.transforms import tone
from cnnkit.data.transforms.affine import inverse, warped
from cnnkit.data.transforms.arrays import bounded
from cnnkit.data.transforms.policy_table import POLICIES
from cnnkit.data.transforms.random_transform import Draws, RandomTransform
from cnnkit.data.transforms.sampling import checked_interpolation
from cnnkit.foreign import whole
from cnnkit.ops.dtypes import widen
from cnnkit.random import Key

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

Step = tuple[str, float]  # a change's name and how strong it is


class AutoAugmentPolicy(Enum):
    """On which images a policy of `AutoAugment` was learnt."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


class Strength(NamedTuple):
    """How strong a change is at the lowest and at the highest level, and whether it may go both ways."""

    low: float
    high: float
    signed: bool = False
    whole: bool = False  # numbers of bits


class _Policy(RandomTransform):
    """Several changes of tone and place, chosen and measured by an image's random numbers.

    Masks are refused: a part of the changes moves pixels.
    """

    interpolation: str
    fill: float | Sequence[float] | None

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        xp = namespace_of(x)
        if x.shape[1] not in (1, 3):
            raise ValueError(f"{self!r} takes images of 1 or 3 channels, got {x.shape[1]}")
        if not draws:
            return x
        changed = [self.augmented(widen(x[n:n + 1, ...]), draw) for n, draw in enumerate(draws)]
        return xp.astype(xp.concat(changed, axis=0), x.dtype, copy=False)

    def augmented(self, image: Array, draw: list[float]) -> Array:
        """One image (1, C, H, W), changed as its random numbers say."""
        H, W = image.shape[2:]
        for name, strength in self.steps(H, W, draw):
            image = self._step(image, name, strength)
        return image

    def steps(self, H: int, W: int, draw: list[float]) -> list[Step]:
        """The changes that an image's random numbers choose."""
        raise NotImplementedError(f"{type(self).__name__} must define steps")

    def _step(self, x: Array, name: str, strength: float) -> Array:
        """One change of an image; pictures have whole numbers after each."""
        x = self._changed_by(x, name, strength)
        if self.white == 1 or name == "Identity":
            return x
        return bounded(namespace_of(x).floor(x + (1e-3 if name in MIXED else 0.5)), 0, self.white)

    def _changed_by(self, x: Array, name: str, strength: float) -> Array:
        if name in PLACES:
            center, numbers = PLACES[name](strength)
            fill = 0 if self.fill is None else self.fill
            return warped(self, x, [numbers], center, self.interpolation, fill)
        if name in MIXED:
            return bounded(MIXED[name](x, self.white, 1 + strength), 0, self.white)
        return TONES[name](x, self.white, strength)


def _blend(x: Array, other: Array, factor: float) -> Array:
    return other + (x - other) * factor


def _contrast(x: Array, white: float, factor: float) -> Array:
    mean = namespace_of(x).mean(tone.grayscale(x, white), axis=(1, 2, 3), keepdims=True)
    return _blend(x, mean, factor)


PLACES: dict[str, Callable[[float], tuple[tuple[float, float] | None, tuple[float, ...]]]] = {
    "ShearX": lambda s: ((0, 0), inverse(0, shear=(math.degrees(math.atan(s)), 0))),
    "ShearY": lambda s: ((0, 0), inverse(0, shear=(0, math.degrees(math.atan(s))))),
    "TranslateX": lambda s: (None, inverse(0, (int(s), 0))),
    "TranslateY": lambda s: (None, inverse(0, (0, int(s)))),
    "Rotate": lambda s: (None, inverse(-s)),
}
MIXED: dict[str, Callable[[Array, float, float], Array]] = {
    "Brightness": lambda x, white, factor: x * factor,
    "Color": lambda x, white, factor: _blend(x, tone.grayscale(x, white), factor),
    "Contrast": _contrast,
    "Sharpness": tone.sharpen,
}
TONES: dict[str, Callable[[Array, float, float], Array]] = {
    "Posterize": lambda x, white, bits: tone.posterize(x, white, int(bits)),
    "Solarize": lambda x, white, threshold: tone.solarize(x, white, threshold * (white / 255)),
    "AutoContrast": lambda x, white, _: tone.autocontrast(x, white),
    "Equalize": lambda x, white, _: tone.equalize(x, white),
    "Invert": lambda x, white, _: tone.invert(x, white),
    "Identity": lambda x, white, _: x,
}


def _strengths(across: float, down: float, shear: float, degrees: float, mixed: float,
               bits: int) -> dict[str, Strength]:
    """What the changes are at the highest level; `bits` are what posterizing takes away."""
    return {"ShearX": Strength(0, shear, True), "ShearY": Strength(0, shear, True),
            "TranslateX": Strength(0, across, True), "TranslateY": Strength(0, down, True),
            "Rotate": Strength(0, degrees, True),
            **{name: Strength(0, mixed, True) for name in ("Brightness", "Color", "Contrast", "Sharpness")},
            "Posterize": Strength(8, 8 - bits, whole=True), "Solarize": Strength(255, 0),
            "AutoContrast": Strength(0, 0), "Equalize": Strength(0, 0)}


def _at(strength: Strength, level: float, bins: int, minus: bool) -> float:
    """The strength at a level of 0 ... bins - 1."""
    value = strength.low + (strength.high - strength.low) * level / (bins - 1)
    value = round(value) if strength.whole else value
    return -value if minus and strength.signed else value


def _index(u: float, count: int) -> int:
    return math.floor(u * count)


class AutoAugment(_Policy):
    """One of 25 pairs of changes that were learnt on a data set (Cubuk et al. 2019).

    Parameters
    ----------
    policy : AutoAugmentPolicy or its value
        Learnt on ``"imagenet"``, ``"cifar10"`` or ``"svhn"``.
    interpolation : {"nearest", "bilinear"}
        How values are read between pixels.
    fill : number, or sequence of C numbers, optional
        The value outside the image; 0 by default.

    Notes
    -----
    Of floats, values are in [0, 1]. Masks are refused: a part of the changes moves pixels.

    >>> import numpy
    >>> AutoAugment("cifar10")(numpy.ones((8, 8, 3), "uint8")).shape
    (8, 8, 3)
    """

    numbers = 5
    fill: float | Sequence[float] | None
    interpolation: str

    def __init__(self, policy: AutoAugmentPolicy | str = AutoAugmentPolicy.IMAGENET,
                 interpolation: str = "nearest", fill: float | Sequence[float] | None = None):
        self.policy: AutoAugmentPolicy = AutoAugmentPolicy(policy)
        self.interpolation, self.fill = checked_interpolation("AutoAugment", interpolation), fill

    def steps(self, H: int, W: int, draw: list[float]) -> list[Step]:
        strengths = {**_strengths(150 / 331 * W, 150 / 331 * H, 0.3, 30, 0.9, 4), "Invert": Strength(0, 0)}
        pairs = POLICIES[self.policy.value]
        pair = pairs[_index(draw[0], len(pairs))]
        return [(name, _at(strengths[name], level, 10, sign < 0.5))
                for (name, p, level), chance, sign in zip(pair, draw[1:3], draw[3:5]) if chance <= p]


class RandAugment(_Policy):
    """A few changes, all of one strength (Cubuk et al. 2020).

    Parameters
    ----------
    num_ops : int
        How many changes.
    magnitude : int
        How strong, from 0 to ``num_magnitude_bins - 1``.
    num_magnitude_bins : int
        How many strengths there are.
    interpolation, fill
        As for `AutoAugment`.

    >>> import numpy
    >>> RandAugment(magnitude=0)(numpy.ones((8, 8, 3), "uint8")).shape
    (8, 8, 3)
    """

    fill: float | Sequence[float] | None
    interpolation: str

    def __init__(self, num_ops: int = 2, magnitude: int = 9, num_magnitude_bins: int = 31,
                 interpolation: str = "nearest", fill: float | Sequence[float] | None = None):
        self.num_ops: int = whole("num_ops", num_ops)
        self.num_magnitude_bins: int = whole("num_magnitude_bins", num_magnitude_bins, 2)
        if magnitude not in range(num_magnitude_bins):
            raise ValueError(f"RandAugment(magnitude={magnitude}): give a whole number from 0 to "
                             f"{num_magnitude_bins - 1}")
        self.magnitude = magnitude
        self.interpolation, self.fill = checked_interpolation("RandAugment", interpolation), fill

    @property
    def numbers(self) -> int:  # type: ignore[override]
        """Two for each change: which it is, and which way it goes."""
        return 2 * self.num_ops

    def steps(self, H: int, W: int, draw: list[float]) -> list[Step]:
        strengths = {"Identity": Strength(0, 0),
                     **_strengths(150 / 331 * W, 150 / 331 * H, 0.3, 30, 0.9, 4)}
        names = [list(strengths)[_index(u, len(strengths))] for u in draw[::2]]
        return [(name, _at(strengths[name], self.magnitude, self.num_magnitude_bins, sign < 0.5))
                for name, sign in zip(names, draw[1::2])]


class TrivialAugmentWide(_Policy):
    """One change of random strength (Müller and Hutter 2021).

    Parameters
    ----------
    num_magnitude_bins : int
        How many strengths there are.
    interpolation, fill
        As for `AutoAugment`.

    >>> import numpy
    >>> TrivialAugmentWide()(numpy.ones((8, 8, 3), "uint8")).shape
    (8, 8, 3)
    """

    numbers = 3
    fill: float | Sequence[float] | None
    interpolation: str

    def __init__(self, num_magnitude_bins: int = 31, interpolation: str = "nearest",
                 fill: float | Sequence[float] | None = None):
        self.num_magnitude_bins: int = whole("num_magnitude_bins", num_magnitude_bins, 2)
        self.interpolation, self.fill = checked_interpolation("TrivialAugmentWide", interpolation), fill

    def steps(self, H: int, W: int, draw: list[float]) -> list[Step]:
        strengths = {"Identity": Strength(0, 0), **_strengths(32, 32, 0.99, 135, 0.99, 6)}
        name = list(strengths)[_index(draw[0], len(strengths))]
        level = _index(draw[1], self.num_magnitude_bins)
        return [(name, _at(strengths[name], level, self.num_magnitude_bins, draw[2] < 0.5))]


class AugMix(_Policy):
    """A mixture of an image and of several chains of changes of it (Hendrycks et al. 2020).

    Parameters
    ----------
    severity : int
        How strong the changes are, from 1 to 10.
    mixture_width : int
        How many chains.
    chain_depth : int
        How many changes a chain has; -1 means 1 to 3, drawn for each.
    alpha : float
        Of the Beta and Dirichlet distributions from which the shares are drawn; only 1, where they are
        uniform.
    all_ops : bool
        Change brightness, colour, contrast and sharpness too.
    interpolation, fill
        As for `AutoAugment`.

    >>> import numpy
    >>> AugMix()(numpy.ones((8, 8, 3), "uint8")).shape
    (8, 8, 3)
    """

    mixture_width: int
    severity: int
    all_ops: bool
    alpha: float
    fill: float | Sequence[float] | None
    interpolation: str

    def __init__(self, severity: int = 3, mixture_width: int = 3, chain_depth: int = -1, alpha: float = 1.0,
                 all_ops: bool = True, interpolation: str = "bilinear",
                 fill: float | Sequence[float] | None = None):
        if severity not in range(1, 11):
            raise ValueError(f"AugMix(severity={severity}): give a whole number from 1 to 10")
        if alpha != 1:
            raise ValueError(f"AugMix(alpha={alpha}): only alpha=1, uniform shares, is here")
        self.severity, self.mixture_width = severity, whole("mixture_width", mixture_width)
        self.chain_depth: int = chain_depth if chain_depth == -1 else whole("chain_depth", chain_depth)
        self.alpha, self.all_ops = alpha, all_ops
        self.interpolation, self.fill = checked_interpolation("AugMix", interpolation), fill

    @property
    def numbers(self) -> int:  # type: ignore[override]
        """The image's share, and for each chain its share, its depth, and three for each change."""
        return 1 + self.mixture_width * (2 + 3 * self._depth)

    @property
    def _depth(self) -> int:
        return 3 if self.chain_depth == -1 else self.chain_depth

    def augmented(self, image: Array, draw: list[float]) -> Array:
        (share, *others), size = draw, 2 + 3 * self._depth
        chains = [others[n:n + size] for n in range(0, len(others), size)]
        shares = [-math.log(chain[0]) for chain in chains]  # exponential ones: together Dirichlet's
        mixed = image * share
        for part, (_, depth, *changes) in zip(shares, chains):
            count = 1 + _index(depth, 3) if self.chain_depth == -1 else self.chain_depth
            changed = image
            for name, strength in self._chain(image.shape[2], image.shape[3], changes[:3 * count]):
                changed = self._step(changed, name, strength)
            mixed = mixed + changed * ((1 - share) * part / sum(shares))
        return mixed

    def _chain(self, H: int, W: int, draw: list[float]) -> list[Step]:
        strengths = _strengths(W / 3, H / 3, 0.3, 30, 0.9, 4)
        strengths["Posterize"] = Strength(4, 0, whole=True)
        if not self.all_ops:
            strengths = {name: value for name, value in strengths.items() if name not in MIXED}
        names = [list(strengths)[_index(u, len(strengths))] for u in draw[::3]]
        return [(name, _at(strengths[name], _index(level, self.severity), 10, sign < 0.5))
                for name, level, sign in zip(names, draw[1::3], draw[2::3])]
