"""How transforms reach the arrays they change: one image or a batch, bare or in a Tensor, on its device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.backends import Array, backend_of, dtype_name, namespace_of, on
from cnnkit.foreign import device_of, is_array, plain
from cnnkit.ops.precision import is_floating

__all__ = ["batched", "bounded", "chosen", "moved", "numbered", "of_channels"]


def batched(owner: object, images: Any, change: Callable[[Array], Array]) -> Any:
    """Apply `change` to images of any of the accepted forms, on their device; the result has the same form.

    Parameters
    ----------
    owner : object
        The transform, for the errors.
    images : array or Tensor, (C, H, W) or (N, C, H, W), floating-point
        Of any library. A Tensor comes back without a tape: no gradient flows through a transform.
    change : callable
        From an array (N, C, H, W) to one of the same library and dtype.

    Raises
    ------
    TypeError
        If the images are no floating-point array.
    ValueError
        If they have neither three nor four axes.
    """
    array = images.array if isinstance(images, Tensor) else images
    if not is_array(array) or not is_floating(array.dtype):
        actual = f"a {type(array).__name__}"
        if is_array(array):
            actual = f"{dtype_name(array.dtype)}, shape {tuple(array.shape)}"
        raise TypeError(f"{owner!r} takes float images (C, H, W) or (N, C, H, W), got {actual}; "
                        "put ToTensor() before it")
    if array.ndim not in (3, 4):
        raise ValueError(f"{owner!r} takes images (C, H, W) or (N, C, H, W), got shape {tuple(array.shape)}")
    with on(array):
        changed = (change(array) if array.ndim == 4
                   else change(namespace_of(array).expand_dims(array, axis=0))[0, ...])
    return Tensor(changed) if isinstance(images, Tensor) else changed


def moved(values: Sequence[Any], like: Array, dtype: Any = None) -> Array:
    """Numbers as an array of the library and on the device of `like`; by default of its dtype."""
    return backend_of(like).asarray(values, like.dtype if dtype is None else dtype, device_of(like))


def numbered(count: int, like: Array, dtype: Any = None) -> Array:
    """The numbers 0 ... count - 1 beside `like`; by default of its library's default integer dtype."""
    return namespace_of(like).arange(count, dtype=dtype, device=device_of(like))


def bounded(x: Array, low: float, high: float) -> Array:
    """`x` clipped to [low, high], without `clip`, whose masked assignments wait for the device on CuPy."""
    xp = namespace_of(x)
    least, most = (xp.full((), bound, dtype=x.dtype, device=device_of(x)) for bound in (low, high))
    return xp.minimum(xp.maximum(x, least), most)


def of_channels(owner: object, value: float | Sequence[float], like: Array) -> Array:
    """A number for all channels, or one for each, as an array (1, 1 or C, 1, 1) of the images' dtype."""
    value = plain(value)
    numbers = [float(value)] if isinstance(value, int | float) else [float(number) for number in value]
    if len(numbers) not in (1, like.shape[1]):
        raise ValueError(f"{owner!r} is for {len(numbers)} channels, "
                         f"but an image of shape {tuple(like.shape[1:])} has {like.shape[1]}")
    return namespace_of(like).reshape(moved(numbers, like), (1, len(numbers), 1, 1))


def chosen(x: Array, mask: Sequence[bool], changed: Array) -> Array:
    """Image by image: from `changed` where `mask` is true, else from `x`."""
    xp = namespace_of(x)
    return xp.where(xp.reshape(moved(mask, x, "bool"), (len(mask), 1, 1, 1)), changed, x)
