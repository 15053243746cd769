"""Automatic differentiation: the Tensor, the tape, and the deferral of calls that a kernel can fuse.

No module here is called ``tensor``: imported, it would hide the function `tensor`.
"""

from cnnkit.autograd.calling import apply
from cnnkit.autograd.creation import tensor
from cnnkit.autograd.exchange import from_dlpack
from cnnkit.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from cnnkit.autograd.in_place import apply_to
from cnnkit.autograd.tape import is_grad_enabled
from cnnkit.autograd.tensors import Tensor

__all__ = ["Tensor", "apply", "apply_to", "enable_grad", "from_dlpack", "inference_mode", "is_grad_enabled",
           "no_grad",
           "set_grad_enabled", "tensor"]
