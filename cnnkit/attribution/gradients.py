"""Attributions by the gradient of a score with respect to the image: alone, averaged, and along a path."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from cnnkit import nn, random
from cnnkit.attribution.scores import gradients, groups, question_for
from cnnkit.autograd import Tensor
from cnnkit.foreign import whole

__all__ = ["integrated_gradients", "legendre", "saliency", "smooth_grad"]


def saliency(model: nn.Module, images: Any, target: Any = None, *, absolute: bool = True) -> Tensor:
    """The gradient of a class's score with respect to each number of the image (Simonyan et al. 2014).

    Parameters
    ----------
    model : Module
        From images (N, C, H, W) to scores (N, classes); it runs in evaluation mode.
    images : Tensor or array, (N, C, H, W) or (C, H, W)
        As the model takes them: scaled and normalised.
    target : int, or sequence or Tensor of int (N,), optional
        The class whose score is asked about; by default the most probable one of each image.
    absolute : bool
        Leave out the sign.

    Returns
    -------
    Tensor
        Of the images' shape.

    Raises
    ------
    ValueError
        If the model gives no scores (N, classes), the images have another number of axes, or there is no
        such class.

    >>> import cnnkit
    >>> from cnnkit import nn
    >>> layer = nn.Linear(4, 1, bias=False)
    >>> layer.weight = nn.Parameter(cnnkit.tensor([[1.0, -2.0, 0.0, 3.0]]))
    >>> saliency(nn.Sequential(nn.Flatten(), layer), cnnkit.ones(1, 2, 2))
    tensor([[[1., 2.],
             [0., 3.]]])
    """
    question = question_for(model, images, target)
    slope = gradients(model, question.images, question.target)
    return question.answer(slope.abs() if absolute else slope)


def smooth_grad(model: nn.Module, images: Any, target: Any = None, *, samples: int = 25, noise: float = 0.15,
                absolute: bool = True, seed: int = 0, batch_size: int = 64) -> Tensor:
    """The mean of the `saliency` of noisy copies of an image: less grainy (Smilkov et al. 2017).

    Parameters
    ----------
    model, images, target, absolute
        As in `saliency`; the mean is that of the absolute values.
    samples : int
        How many noisy copies.
    noise : float
        The noise's standard deviation, as a share of each image's range (greatest minus least number).
    seed : int
        The same noise each time, on every backend, and for each image.
    batch_size : int
        At most so many images at a time.

    >>> import cnnkit
    >>> from cnnkit import nn
    >>> smooth_grad(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), cnnkit.ones(3, 1, 2, 2)).shape
    (3, 1, 2, 2)
    """
    question, samples = question_for(model, images, target), whole("samples", samples)
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise={noise}: it is a share of the image's range, such as 0.15")
    x = question.images
    spread = noise * (x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True))
    keys = random.split(random.key(seed), samples)
    noisy = (x + spread * Tensor(random.normal(key, (1, *x.shape[1:]), dtype=x.dtype, like=x.array))
             for key in keys)
    total = 0.0 * x
    for group, classes in groups(question, noisy, batch_size):
        slope = gradients(model, group, classes)
        total = total + (slope.abs() if absolute else slope).reshape(-1, *x.shape).sum(0)
    return question.answer(total / samples)


def integrated_gradients(model: nn.Module, images: Any, target: Any = None, *, baseline: Any = 0.0,
                         steps: int = 50, batch_size: int = 64) -> Tensor:
    """What each number adds to a score on the way from a baseline to the image (Sundararajan et al. 2017).

    The attributions of an image sum to the difference of its score and the baseline's. The gradient along
    the straight way is integrated by Gauss and Legendre's rule.

    Parameters
    ----------
    model, images, target
        As in `saliency`.
    baseline : float or Tensor, (C, H, W) or (N, C, H, W)
        An image without content; 0 is black where images are not normalised, and the mean where they are.
    steps : int
        At so many points.
    batch_size : int
        At most so many images at a time.

    >>> import cnnkit
    >>> from cnnkit import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> image = cnnkit.rand(1, 4, 4)
    >>> whole = model(image[None])[0, 2] - model(0 * image[None])[0, 2]
    >>> abs((integrated_gradients(model, image, 2).sum() - whole).item()) < 1e-3
    True
    """
    question, steps = question_for(model, images, target), whole("steps", steps)
    x = question.images
    start = _baseline(baseline, x)
    points, weights = legendre(steps)
    total, done = 0.0 * x, 0
    for group, classes in groups(question, _between(start, x, points), batch_size):
        slopes = gradients(model, group, classes).reshape(-1, *x.shape)
        for slope in slopes:
            total, done = total + weights[done] * slope, done + 1
    return question.answer((x - start) * total)


def _between(start: Tensor, end: Tensor, points: list[float]) -> Iterator[Tensor]:
    return (start + point * (end - start) for point in points)


def _baseline(baseline: Any, images: Tensor) -> Tensor:
    """The baseline as a Tensor of the images' shape."""
    if not isinstance(baseline, Tensor):
        return 0.0 * images + baseline
    return baseline.detach().to(images.backend, dtype=images.dtype).expand(images.shape)


def legendre(n: int) -> tuple[list[float], list[float]]:
    """The points and weights of Gauss and Legendre's rule on [0, 1], exact for polynomials up to 2n - 1.

    The points are the roots of the Legendre polynomial of degree n, found by Newton's method.

    >>> points, weights = legendre(2)
    >>> [round(p, 4) for p in points], [round(w, 4) for w in weights]
    ([0.2113, 0.7887], [0.5, 0.5])
    """
    points, weights = [], []
    for k in range(n, 0, -1):
        x = math.cos(math.pi * (k - 0.25) / (n + 0.5))  # close to the root
        for _ in range(100):
            value, before = x, 1.0  # the polynomials of degrees 1 and 0; then their recurrence
            for degree in range(2, n + 1):
                value, before = ((2 * degree - 1) * x * value - (degree - 1) * before) / degree, value
            slope = n * (before - x * value) / (1 - x * x)
            x, last = x - value / slope, x
            if abs(x - last) < 1e-15:
                break
        points.append((x + 1) / 2)
        weights.append(1 / ((1 - x * x) * slope * slope))
    return points, weights
