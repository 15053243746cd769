"""What an AttributeError says beside the name that is missing: the nearest one, or our way of PyTorch's.

Only names that are not found come here, so those that exist cost nothing. Of a Tensor's misspelled attributes
Python itself names the nearest one, where it prints the error.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["CUDA", "DTYPE", "FUNCTIONAL", "LINALG", "MODULE", "NAMESPACE", "NN", "OPTIM", "TENSOR",
           "Elsewhere", "attribute_error", "is_defined", "missing"]


def _same(names: str, advice: str) -> dict[str, str]:
    """The same advice for several names; ``{}`` in it is the name."""
    return {name: advice.format(name) for name in names.split()}


_LAYERS = "cnnkit has the layers of convolutional networks"
_OUT_OF_SCOPE = "it is out of scope: cnnkit trains convolutional networks in one process"

_ARRAYS = "functions of CuPy and NumPy take x.array and x.numpy()"

# PyTorch's name -> what to use here
TENSOR: Mapping[str, str] = {
    **_same("cholesky det inverse logdet lu pinverse qr slogdet svd",
            "decompositions are not computed here: numpy.linalg takes x.numpy(), without gradients"),
    "as_strided": "use unfold(dimension, size, step), narrow(dim, start, length) or an index",
    "set_": "write x.data = other, which gives x the other's values",
    **_same("storage untyped_storage",
            "the memory is the array library's own: x.array is the array, x.nbytes its size"),
    "data_ptr": "no array is changed in place, so an address says little: compare Tensors with `is`",
    **_same("resize_ resize_as_", "a Tensor keeps its size: use x.reshape(...), or x.new_empty(size)"),
    # NumPy's and CuPy's, whose functions ask for them too
    "astype": f"use x.to(dtype); {_ARRAYS}", "flags": f"use x.is_contiguous(); {_ARRAYS}",
    "copy": f"use x.clone(); {_ARRAYS}", "ptp": f"use x.max() - x.min(); {_ARRAYS}",
    "partition": f"use x.topk(k); {_ARRAYS}", "argpartition": f"use x.topk(k).indices; {_ARRAYS}",
    "compress": f"use x[mask]; {_ARRAYS}", "choose": f"use x.gather(dim, index); {_ARRAYS}",
    "get": "use x.numpy(); CuPy's array is x.array", "set": "use x.copy_(values); CuPy's array is x.array",
    "toDlpack": "use cupy.from_dlpack(x); CuPy's array is x.array",
    "ptr": "CuPy's array is x.array, and its address x.array.data.ptr",
    "strides": "use x.stride(), which counts elements; x.array.strides are bytes",
}
DTYPE: Mapping[str, str] = {"type": f"use x.dtype.name; {_ARRAYS}", "char": f"use x.dtype.name; {_ARRAYS}"}
MODULE: Mapping[str, str] = {
    "device": "use next(model.parameters()).backend",
    "fit": "use cnnkit.train.fit(model, ...)", "predict": "use cnnkit.train.predict(model, ...)",
    "evaluate": "use cnnkit.train.evaluate(model, ...)", "summary": "use cnnkit.summary(model, ...)",
    "save": "use cnnkit.models.save_model(model, ...)",
}
CUDA: Mapping[str, str] = {
    "Event": "measure with time.perf_counter() around cnnkit.cuda.synchronize()",
    **_same("Stream stream current_stream",
            "cnnkit uses CuPy's current stream: with cupy.cuda.Stream() chooses another"),
    **_same("get_device_properties get_device_capability", "cupy.cuda.Device() knows them"),
    **_same("FloatTensor LongTensor DoubleTensor HalfTensor ByteTensor",
            "use cnnkit.{0}(...).cuda()"),
}
NAMESPACE: Mapping[str, str] = {
    **_same("cholesky det inverse logdet lu pinverse qr slogdet svd",
            "decompositions are not computed here: numpy.linalg takes x.numpy(), without gradients"),
    "as_strided": "use the Tensor's unfold(dimension, size, step), cnnkit.narrow or an index",
    "set_default_device": "use cnnkit.use",
    "fft": "it is out of scope: Tensors with gradients are real, and Fourier transforms are complex; "
           "numpy.fft takes x.numpy(), without gradients",
    **_same("complex view_as_complex view_as_real stft istft",
            "it is out of scope: Tensors with gradients are real numbers"),
    "profiler": "use cnnkit.profile", "testing": "use numpy.testing with x.numpy()",
    "special": "its functions are cnnkit's own: cnnkit.erf, cnnkit.logit, cnnkit.xlogy",
    "vmap": "write the function for a batch: all functions here take axes before their own",
    "distributions": f"{_OUT_OF_SCOPE}. Draws: cnnkit.randn, rand, normal, bernoulli, multinomial",
    **_same("""multiprocessing sparse quantization ao fx futures export
            sparse_coo_tensor quantize_per_tensor""", _OUT_OF_SCOPE),
}
NN: Mapping[str, str] = {
    **_same("""LSTM LSTMCell GRU GRUCell RNN RNNCell RNNBase Transformer TransformerEncoder TransformerDecoder
            TransformerEncoderLayer TransformerDecoderLayer MultiheadAttention AdaptiveLogSoftmaxWithLoss""",
            _LAYERS),
    **_same("quantized quantizable qat", _OUT_OF_SCOPE),
    "CrossMapLRN2d": "use LocalResponseNorm: PyTorch's CrossMapLRN2d keeps channel 0 in later sums",
    "DistributedDataParallel": "use cnnkit.nn.parallel.DistributedDataParallel",
}
FUNCTIONAL: Mapping[str, str] = {
    **_same("scaled_dot_product_attention multi_head_attention_forward", _LAYERS),
}
LINALG: Mapping[str, str] = _same(
    "cholesky cond det eig eigh eigvals eigvalsh inv lstsq matrix_rank pinv qr slogdet solve svd svdvals",
    "decompositions are not computed here: numpy.linalg has {} for x.numpy(), without gradients")
OPTIM: Mapping[str, str] = _same(
    "Adafactor SparseAdam", "there are SGD, AdamW, RMSprop and others: cnnkit.optim.__all__")


def is_defined(kind: type, name: str) -> bool:
    """Whether a class or one of its bases defines an attribute.

    >>> is_defined(bool, "real"), is_defined(bool, "imaginary")
    (True, False)
    """
    return any(name in vars(base) and not isinstance(vars(base)[name], Elsewhere) for base in kind.__mro__)


class Elsewhere:
    """A name of PyTorch's that a class does not have: who asks for it gets an AttributeError with advice.

    For classes whose attributes are read often: ``__getattr__`` makes every read of any attribute slower.
    """

    __slots__ = ("advice", "name")
    advice: str
    name: str

    def __init__(self, name: str, advice: str):
        self.name, self.advice = name, advice

    def __get__(self, owner: Any, kind: type) -> Any:
        who = f"type object {kind.__name__!r}" if owner is None else f"{kind.__name__!r} object"
        raise AttributeError(f"{who} has no attribute {self.name!r}; {self.advice}", name=self.name)


def attribute_error(owner: str, name: str, names: Iterable[str],
                    elsewhere: Mapping[str, str] | None = None) -> AttributeError:
    """An AttributeError that says what there is instead.

    Parameters
    ----------
    owner : str
        What has no such attribute, as Python names it: ``"module 'cnnkit'"``.
    name : str
        The attribute that is missing.
    names : iterable of str
        The attributes that there are.
    elsewhere : mapping of str to str, optional
        PyTorch's name -> what to use here.

    >>> attribute_error("'Linear' object", "weigth", ["weight", "bias"])
    AttributeError("'Linear' object has no attribute 'weigth'; did you mean 'weight'?")
    """
    message = f"{owner} has no attribute {name!r}"
    if elsewhere and name in elsewhere:
        return AttributeError(f"{message}; {elsewhere[name]}", name=name)
    if name.startswith("_"):  # asked by Python and by libraries, to find out what an object can do
        return AttributeError(message, name=name)
    public = sorted(n for n in names if not n.startswith("_"))
    close = difflib.get_close_matches(name, public, n=1)
    if not close:
        lowered = {n.lower(): n for n in public}
        close = [lowered[n] for n in difflib.get_close_matches(name.lower(), lowered, n=1)]
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return AttributeError(message + hint, name=name)


def missing(owner: Any, name: str, elsewhere: Mapping[str, str], names: Iterable[str] = ()) -> Any:
    """What a class's ``__getattr__`` does: raise, with a suggestion from the class's names and from `names`.

    An attribute that the class does define comes here because a property of it raised an AttributeError. It
    is asked once more, so that it is its own error that is seen.
    """
    kind = type(owner)
    if is_defined(kind, name):
        return object.__getattribute__(owner, name)
    raise attribute_error(f"{kind.__name__!r} object", name, [*dir(kind), *names], elsewhere)
