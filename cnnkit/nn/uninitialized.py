"""Parameters and buffers without a shape yet: lazy layers get theirs from the first input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

from cnnkit import backends
from cnnkit.autograd import Tensor
from cnnkit.foreign import device_of
from cnnkit.nn.parameter import Parameter

__all__ = ["UninitializedBuffer", "UninitializedParameter"]


def _empty(dtype: Any, backend: Any) -> Any:
    target, device = backends.place(backend)
    return target.namespace.zeros((0,), dtype=target.dtype(dtype or backends.get_default_dtype()),
                                  **({} if device is None else {"device": device}))


class Uninitialized(Tensor):
    """A Tensor of a dtype and a backend that has no values yet; `materialize` makes it one that has."""

    __slots__ = ()
    becomes: ClassVar[type[Tensor]]

    def materialize(self, shape: Sequence[int], dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of zeros, of this `shape`.

        Parameters
        ----------
        shape : sequence of int
            Of the values.
        dtype : str, optional
            Another than the one that was given when it was made.

        >>> parameter = UninitializedParameter()
        >>> parameter.materialize((2,))
        >>> parameter
        Parameter containing:
        tensor([0., 0.], requires_grad=True)
        """
        array = self.array
        backend = backends.backend_of(array)
        with backends.on(array):
            self.rebind(backend.namespace.zeros(
                tuple(shape), dtype=array.dtype if dtype is None else backend.dtype(dtype),
                **({} if device_of(array) is None else {"device": device_of(array)})))
        self.__class__ = self.becomes  # type: ignore[assignment]

    @property
    def shape(self) -> NoReturn:
        """None yet: reading it is an error that says so."""
        raise RuntimeError("Can't access the shape of an uninitialized parameter or buffer: a lazy layer "
                           "gets it from its first input. Call the model once with a batch before")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(Uninitialized, Parameter):
    """A parameter of a lazy layer that has not been called yet; see `materialize`.

    Parameters
    ----------
    requires_grad : bool
        Of the parameter that it becomes.
    dtype : str
        Its dtype.
    backend : str, optional
        Where it is made; by default where `cnnkit.use` says.

    >>> from cnnkit import nn
    >>> nn.LazyLinear(3).weight
    <UninitializedParameter>
    """

    __slots__ = ()
    becomes: ClassVar[type[Tensor]] = Parameter

    def __init__(self, requires_grad: bool = True, *, dtype: Any = None, backend: Any = None):
        super().__init__(_empty(dtype, backend), requires_grad)


class UninitializedBuffer(Uninitialized):
    """A buffer of a lazy layer that has not been called yet; parameters as in `UninitializedParameter`.

    >>> UninitializedBuffer(dtype="float64").dtype
    cnnkit.float64
    """

    __slots__ = ()
    becomes: ClassVar[type[Tensor]] = Tensor

    def __init__(self, requires_grad: bool = False, *, dtype: Any = None, backend: Any = None):
        super().__init__(_empty(dtype, backend), requires_grad)
