"""Value: an array, its node on the tape, and its gradient; Tensor adds PyTorch's methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from cnnkit import backends
from cnnkit.autograd import deferral, sharing, tape
from cnnkit.autograd.differentiable import Differentiable
from cnnkit.autograd.tape import Node, mode
from cnnkit.foreign import detached

__all__ = ["Number", "Value"]

Array = Any
Number = bool | int | float


class Value(Differentiable):
    """The part of a Tensor that the tape and the dispatcher use.

    Parameters
    ----------
    array : array
        Any known backend's array, taken over without a copy; a PyTorch tensor without its history.
    requires_grad : bool
        Record what is done with it.
    """

    __slots__ = ("_alias", "_link", "_position", "_source", "_value", "_version")

    def __init__(self, array: Array, requires_grad: bool = False):
        array = array.array if isinstance(array, Value) else detached(array)
        backends.backend_of(array)
        self._value = array
        self._link: deferral.Link | None = None
        self._position = 0
        # the node of the call that made this Tensor, and the position among its outputs
        self._source: tuple[Node, int] | None = None
        self._version = [0]
        self._alias: sharing.Alias | None = None
        self._hooks: list[Callable] | None = None
        self._grad: Any = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad_()

    @property
    def array(self) -> Array:
        """The raw array, computed now if it was deferred."""
        if self._link is not None:
            self._link.force()
        return self._value

    @classmethod
    def _of(cls, array: Array, node: Node | None = None, index: int = 0) -> Self:
        """A Tensor around a result, without any check."""
        new = cls.__new__(cls)
        new._value = array
        new._link = None
        new._position = 0
        new._source = None if node is None else (node, index)
        new._version = [0]
        new._hooks = new._grad = new._alias = None
        new._requires_grad = node is not None
        return new

    @staticmethod
    def _pending(link: deferral.Link, position: int, requires_grad: bool) -> Value:
        """A Tensor whose array a deferred call will make."""
        new = Value.result.__new__(Value.result)
        new._link, new._position, new._requires_grad, new._version = link, position, requires_grad, [0]
        new._value = new._source = new._hooks = new._grad = new._alias = None
        return new

    def _await(self, link: deferral.Link, position: int) -> None:
        """Become the deferred output `position` of `link` (a buffer that an op with state replaces)."""
        self.array  # noqa: B018 - computes an earlier pending value first
        self._link, self._position = link, position
        self._version[0] = tape.now()

    def _settle(self, array: Array, node: Node | None, index: int) -> None:
        """Take the array that the deferred call has made."""
        old, self._value, self._link = self._value, array, None
        self._source = None if node is None else (node, index)
        if self._alias is not None and old is not None:
            self._share_change(old)

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each axis; known before a deferred Tensor is computed."""
        if self._link is not None:
            return tuple(self._link.metas[self._position][0])  # type: ignore[index]
        return tuple(self._value.shape)

    @property
    def dtype(self) -> backends.dtype:
        """Such as ``cnnkit.float32``, on every backend; known before a deferred Tensor is computed."""
        if self._link is not None:
            return backends.dtype_of(self._link.metas[self._position][1])  # type: ignore[index]
        return backends.dtype_of(self._value.dtype)

    @property
    def device(self) -> backends.device:
        """Where the numbers are: ``device("cpu")``, ``device("cuda:0")``."""
        return backends.device_of_array(self.array)

    @property
    def is_cuda(self) -> bool:
        """Whether the numbers are on a CUDA device."""
        return self.device.type == "cuda"

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def backend(self) -> str:
        """Name of the backend that runs ops on this Tensor."""
        return self._backend().name

    def _backend(self) -> backends.Backend:
        return backends.backend_of(self._value) if self._link is None else self._link.backend

    @property
    def is_leaf(self) -> bool:
        """Whether this Tensor is no recorded op's result."""
        return self._source is None and not (self._link is not None and self._requires_grad)

    def dim(self) -> int:
        """Number of axes."""
        return self.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size along one axis."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """Number of elements."""
        count = 1
        for n in self.shape:
            count *= n
        return count

    def item(self) -> Number:
        """The one element's value as a Python number; waits for the device."""
        if self.numel() != 1:
            raise RuntimeError(f"item() needs a Tensor with one element; this one has shape {self.shape}")
        return self.numpy().reshape(()).item()

    def numpy(self, *, force: bool = True) -> Any:
        """The values as a NumPy array, without tape; on the NumPy backend it shares memory.

        A Tensor that requires a gradient need not be detached, so `force` changes nothing.
        """
        if mode.recorder is not None:
            mode.recorder.reads(self)
        if mode.deferred:  # the caller may write into memory that deferred calls have yet to read
            deferral.flush()
        array = self.array
        return backends.backend_of(array).to_numpy(array)

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return self.numpy().tolist()

    def replace_(self, array: Array) -> Self:
        """Take `array` as the new value, without a copy: every in-place change of a leaf ends here.

        Raises
        ------
        RuntimeError
            If the tape records and this Tensor requires a gradient, or if it is the result of a recorded op.

        >>> import cnnkit, numpy as np
        >>> x = cnnkit.tensor([1.0, 2.0])
        >>> x.replace_(np.array([3.0], np.float32))
        tensor([3.])
        """
        if mode.grad and self._requires_grad:
            raise RuntimeError("a Tensor that requires a gradient cannot be changed in place while the tape "
                               "records; do it inside `with cnnkit.no_grad():`")
        if self._link is not None and self._requires_grad:
            self._link.force()  # it keeps its place on the tape
        array = self._backend().namespace.asarray(array)
        self._link = None
        self.rebind(array)
        return self

    def rebind(self, array: Array) -> None:
        """Replace the array without any check, and count a change: for optimizers and for moving Tensors."""
        old, self._value = self._value, array
        self._version[0] = tape.now()
        if self._alias is not None:
            self._share_change(old)

    def _share_change(self, old: Array) -> None:
        """Let the Tensors that share memory with this one have its new value, if that is of their kind."""
        new = self._value
        if type(old) is not type(new) or old.dtype != new.dtype or tuple(old.shape) != tuple(new.shape):
            self._alias = None
        else:
            sharing.follow(self)

    def _become(self, new: Value) -> None:
        """Take over the value of `new` and its place on the tape: where every recorded change in place ends.

        What was recorded before holds the old array and the old place, so its gradients stay right.
        """
        link, kept = new._link, self._retained()
        if kept and link is not None:  # who keeps a gradient ends a chain
            link.force()
            link = None
        self._value, self._link, self._position = new._value, link, new._position
        self._source, self._requires_grad = new._source, new._requires_grad
        self._version[0] = tape.now()
        if link is not None:
            link.hand_over(new, self)
        elif self._source is not None:
            versions = self._source[0].versions
            if versions and versions[-1][0] is new._version:  # its gradient needs this result
                versions[-1] = (self._version, self._version[0])
        if kept:
            self.retain_grad()

    def _retained(self) -> bool:
        """Whether the gradient of this Tensor is kept; if so, no longer of the value that it has now."""
        if self._source is None:
            return False
        retain, position = self._source[0].retain, self._source[1]
        if retain is None or position not in retain or retain[position]() is not self:
            return False
        del retain[position]
        return True
