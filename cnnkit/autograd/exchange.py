"""Tensors and other libraries: memory shared by DLPack and CUDA's array interface, and NumPy's functions.

What takes an array by its protocol gets the Tensor's memory, without a copy. It must not write there: other
Tensors may share it, and the tape may need it.
"""

from __future__ import annotations

from typing import Any

from cnnkit import backends, suggestions
from cnnkit.autograd import deferral
from cnnkit.autograd.tape import mode
from cnnkit.autograd.value import Value

__all__ = ["Exchange", "from_dlpack"]

LOSES_GRADIENT = ("a Tensor that requires a gradient is not given to other libraries, which would lose it: "
                  "use x.detach()")
# NumPy's name of a function -> the Tensor's method with the Tensor on its left, and on its right
OPERATORS = {
    "add": ("__add__", "__radd__"), "subtract": ("__sub__", "__rsub__"),
    "multiply": ("__mul__", "__rmul__"), "divide": ("__truediv__", "__rtruediv__"),
    "power": ("__pow__", "__rpow__"), "matmul": ("__matmul__", "__rmatmul__"),
    "equal": ("__eq__", "__eq__"), "not_equal": ("__ne__", "__ne__"),
    "less": ("__lt__", "__gt__"), "less_equal": ("__le__", "__ge__"),
    "greater": ("__gt__", "__lt__"), "greater_equal": ("__ge__", "__le__"),
}


def _on_numpys_function(tensor: Any, function: Any, method: str, *inputs: Any, **settings: Any) -> Any:
    """What NumPy calls for its functions of numbers where a Tensor is among the arguments."""
    name, pair = function.__name__, OPERATORS.get(function.__name__)
    if pair is not None and method == "__call__" and len(inputs) == 2 and not settings:
        on_left = inputs[0] is tensor
        return getattr(tensor, pair[0 if on_left else 1])(inputs[1] if on_left else inputs[0])
    name = {"absolute": "abs"}.get(name, name)
    if settings.get("out") is not None:
        fix = "NumPy's arrays take no Tensor in place; write a = a + x, or take x.numpy()"
    elif method == "__call__" and suggestions.is_defined(type(tensor), name):
        fix = f"use x.{name}()"
    else:
        fix = suggestions.TENSOR.get(name) or "cnnkit.functional and the Tensor's methods have gradients"
    raise TypeError(f"numpy.{function.__name__} takes no Tensor: {fix}; "
                    f"for numbers without a gradient, numpy.{function.__name__}(x.numpy())")


class _ArrayUfunc:
    """NumPy asks the class; CuPy asks the object, and lets operators to the Tensor where that is None."""

    def __get__(self, instance: Any, owner: type) -> Any:
        return _on_numpys_function if instance is None else None


class Exchange(Value):
    """What other array libraries ask of a Tensor."""

    __slots__ = ("_given",)  # the arrays whose addresses others have
    __array_ufunc__: _ArrayUfunc = _ArrayUfunc()

    def __dlpack__(self, *, stream: Any = None, max_version: tuple[int, int] | None = None,
                   dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> Any:
        """The array for another library, which shares its memory: ``torch.from_dlpack(x)`` calls it.

        Raises
        ------
        BufferError
            If the Tensor requires a gradient, or its array library cannot share memory.
        """
        if self._requires_grad:
            raise BufferError(LOSES_GRADIENT)
        array = self._shared()
        if not hasattr(array, "__dlpack__"):
            raise BufferError(f"arrays of backend {self.backend!r} cannot be shared by DLPack; use x.numpy()")
        given = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        with backends.on(array):
            return array.__dlpack__(**{name: value for name, value in given.items() if value is not None})

    def __dlpack_device__(self) -> tuple[int, int]:
        """DLPack's type and number of the device that the array is on."""
        array = self.array
        if not hasattr(array, "__dlpack_device__"):
            raise BufferError(f"arrays of backend {self.backend!r} cannot be shared by DLPack; use x.numpy()")
        return tuple(array.__dlpack_device__())

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """CUDA's description of the memory, by which ``cupy.asarray(x)`` shares it; only where it is CUDA's.

        Raises
        ------
        AttributeError
            If the array is not in the memory of a CUDA device.
        RuntimeError
            If the Tensor requires a gradient.
        """
        array = self._shared()
        if not hasattr(array, "__cuda_array_interface__"):
            raise AttributeError(f"a Tensor of backend {self.backend!r} is not in a CUDA device's memory, so "
                                 "it has no __cuda_array_interface__")
        if self._requires_grad:
            raise RuntimeError(LOSES_GRADIENT)
        # who takes the address keeps the Tensor alive alone, which may be given another array
        given: list[Any] = getattr(self, "_given", [])
        if not given or given[-1] is not array:
            self._given = [*given, array]
        return array.__cuda_array_interface__

    def _shared(self) -> Any:
        """The array, once no deferred call has yet to read it: the other library may write there."""
        if mode.deferred:
            deferral.flush()
        return self.array


def from_dlpack(array: Any, *, backend: Any = None) -> Any:
    """A Tensor that shares the memory of another library's array: PyTorch's, JAX's, CuPy's, NumPy's.

    Parameters
    ----------
    array : array
        Anything with ``__dlpack__``. One that requires a gradient must be detached first.
    backend : str, optional
        Whose array the Tensor gets: by default that of the backend in use (`cnnkit.use`), if its arrays can
        lie in this memory, or else of one whose arrays can.

    Raises
    ------
    TypeError
        If `array` has no ``__dlpack__``.
    BufferError
        If it requires a gradient, or no backend that is available can take the memory without a copy.

    >>> import numpy as np
    >>> memory = np.zeros(2)
    >>> x = from_dlpack(memory)
    >>> memory[0] = 5
    >>> x
    tensor([5., 0.], dtype=float64)
    """
    if not hasattr(array, "__dlpack__"):
        raise TypeError(f"from_dlpack() takes an array with __dlpack__; got {type(array).__name__}. "
                        "cnnkit.tensor(data) copies numbers, lists and arrays")
    kind = int(array.__dlpack_device__()[0])
    target = backends.sharing(kind) if backend is None else backends.place(backend)[0]
    if target is None or kind not in target.shares:
        name = "no backend that is available" if target is None else f"backend {target.name!r}"
        raise BufferError(f"{name} has arrays in this memory (DLPack's device type {kind}); "
                          "cnnkit.tensor(array) copies it")
    source = array.array if isinstance(array, Value) and not array.requires_grad else array
    return Value.result(source if target.owns(source) else target.namespace.from_dlpack(source))
