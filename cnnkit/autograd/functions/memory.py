"""What PyTorch says of a Tensor's memory, and its first way to make a Tensor like another: methods alone."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, Self

from cnnkit import backends
from cnnkit.autograd.constants import strided
from cnnkit.autograd.creation import tensor
from cnnkit.autograd.functions.filled import zeros
from cnnkit.autograd.functions.placing import like
from cnnkit.autograd.value import Value
from cnnkit.foreign import is_whole

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__: list[str] = []


class MemoryMethods(Value):
    """Sizes in bytes; where the elements are, which the array's library decides; and `new`."""

    __slots__ = ()

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return backends.finfo(self.dtype).bits // 8 if "float" in self.dtype.name else (
            1 if self.dtype.name == "bool" else backends.iinfo(self.dtype).bits // 8)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.itemsize * prod(self.shape)

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.itemsize

    def ndimension(self) -> int:
        """How many axes there are: `ndim`."""
        return len(self.shape)

    @property
    def is_sparse(self) -> bool:
        """False: every element is stored."""
        return False

    @property
    def layout(self) -> Any:
        """``cnnkit.strided``."""
        return strided

    def to_dense(self) -> Self:
        """This Tensor, which stores every element."""
        return self

    def pin_memory(self, device: Any = None) -> Self:
        """This Tensor: a backend that copies from pinned memory does so by itself."""
        return self

    def is_pinned(self, device: Any = None) -> bool:
        """False: see `pin_memory`."""
        return False

    def share_memory_(self) -> Self:
        """This Tensor: threads share all memory, and processes send each other what they need."""
        return self

    def is_shared(self) -> bool:
        """False: see `share_memory_`."""
        return False

    def new(self, *data: Any, device: Any = None) -> Tensor:
        """A Tensor of this one's dtype and device: of a list or an array, or zeros of a size.

        ``x.new()`` is empty, ``x.new(2, 3)`` and ``x.new(y.size())`` have a size: a tuple of whole numbers is
        one. `new_tensor` and `new_zeros` say which is meant.
        """
        place = like(self, device)
        if len(data) == 1 and not is_whole(data[0]):
            if not isinstance(data[0], tuple) or not all(map(is_whole, data[0])):
                return tensor(data[0], dtype=self.dtype, device=place)
            data = data[0]
        return zeros(tuple(data) if data else (0,), dtype=self.dtype, device=place)
