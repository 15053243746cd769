"""Automatic differentiation: the Tensor, the tape, and the deferral of calls that a kernel can fuse.

No module here is called ``tensor``: imported, it would hide the function `tensor`.
"""

from cnnkit.autograd.calling import apply
from cnnkit.autograd.creation import tensor
from cnnkit.autograd.tape import enable_grad, is_grad_enabled, no_grad
from cnnkit.autograd.tensors import Tensor

__all__ = ["Tensor", "apply", "enable_grad", "is_grad_enabled", "no_grad", "tensor"]
