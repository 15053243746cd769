"""How transforms reach the arrays they change: one image or a batch, bare or in a Tensor, on its device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cnnkit.autograd import Tensor
from cnnkit.backends import Array, backend_of, dtype_name, namespace_of, on
from cnnkit.data.host import host_array
from cnnkit.foreign import device_of, is_array, is_pillow, is_tensor, plain
from cnnkit.ops.dtypes import is_floating

__all__ = ["WHITE", "Opened", "batched", "bounded", "chosen", "moved", "numbered", "of_channels", "opened"]

WHITE = {"uint8": 255.0, "uint16": 65535.0}  # the brightest value of pictures


class Opened(NamedTuple):
    """Images of any of the accepted forms as one floating-point batch, and the way back."""

    x: Array  # (N, C, H, W)
    single: bool  # whether it was one image
    white: float  # the value of white: 1, or of pictures 255 or 65535
    closed: Callable[[Array], Any]  # from the changed batch to the form that was given


def opened(owner: object, images: Any, batch: bool = False) -> Opened:
    """Open images: floats and Tensors with their channels first, pictures with them last, Pillow images.

    Parameters
    ----------
    owner : object
        The transform, for the errors.
    images : array, Tensor or Pillow image
        Floats (C, H, W) or (N, C, H, W). Pictures, uint8 or uint16, keep their values 0 to 255 or 65535 as
        float32: arrays (H, W) or (H, W, C), Tensors (C, H, W) or (N, C, H, W). What comes back is rounded to
        their dtype.
    batch : bool
        Pictures are many in one array: (N, H, W) or (N, H, W, C).

    Raises
    ------
    TypeError, ValueError
        As `batched`.
    """
    if is_pillow(images):
        return _of_pillow(owner, images)
    array = images.array if isinstance(images, Tensor) else images
    name = dtype_name(array.dtype) if is_array(array) else ""
    last = not is_tensor(images) and array.ndim - batch in (2, 3) if name in WHITE else False
    if name not in WHITE or not (last or (is_tensor(images) and array.ndim in (3, 4))):
        _check_floats(owner, array)
    with on(array):
        xp = namespace_of(array)
        x = xp.astype(array, xp.float32) if name in WHITE else array
        single = not batch if last else x.ndim == 3
        flat = last and x.ndim - batch == 2
        x = xp.expand_dims(x, axis=0) if single else x
        if last:
            x = xp.expand_dims(x, axis=1) if flat else xp.permute_dims(x, (0, 3, 1, 2))

    def closed(changed: Array) -> Any:
        with on(changed):
            if name in WHITE:
                changed = xp.astype(bounded(xp.round(changed), 0, WHITE[name]), array.dtype)
            if last:
                gray = flat and changed.shape[1] == 1
                changed = changed[:, 0, ...] if gray else xp.permute_dims(changed, (0, 2, 3, 1))
            changed = changed[0, ...] if single else changed
        return Tensor(changed) if isinstance(images, Tensor) else changed

    return Opened(x, single, WHITE.get(name, 1.0), closed)


def _of_pillow(owner: object, image: Any) -> Opened:
    from PIL import Image
    picture = opened(owner, host_array(image))

    def closed(changed: Array) -> Any:
        array = picture.closed(changed)
        return Image.fromarray(array[..., 0] if array.shape[2:] == (1,) else array)

    return picture._replace(closed=closed)


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
    if is_pillow(images) or (is_array(images) and dtype_name(images.dtype) in WHITE):
        _check_floats(owner, images)
    form = opened(owner, images)
    with on(form.x):
        return form.closed(change(form.x))


def _check_floats(owner: object, array: Any) -> None:
    if not is_array(array) or not is_floating(array.dtype):
        actual = f"a {type(array).__name__}"
        if is_array(array):
            actual = f"{dtype_name(array.dtype)}, shape {tuple(array.shape)}"
        raise TypeError(f"{owner!r} takes float images (C, H, W) or (N, C, H, W), got {actual}; "
                        "put ToTensor() before it")
    if array.ndim not in (3, 4):
        raise ValueError(f"{owner!r} takes images (C, H, W) or (N, C, H, W), got shape {tuple(array.shape)}")


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
