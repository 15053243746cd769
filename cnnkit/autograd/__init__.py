"""Automatic differentiation: the Tensor, the tape, and the deferral of calls that a kernel can fuse.

No module here is called ``tensor``: imported, it would hide the function `tensor`.
"""

from cnnkit.autograd import functional
from cnnkit.autograd.anomaly import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from cnnkit.autograd.calling import apply
from cnnkit.autograd.checking import gradcheck, gradgradcheck
from cnnkit.autograd.creation import tensor
from cnnkit.autograd.differentiation import backward, grad
from cnnkit.autograd.exchange import from_dlpack
from cnnkit.autograd.function import Function
from cnnkit.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from cnnkit.autograd.in_place import apply_to
from cnnkit.autograd.tape import is_grad_enabled
from cnnkit.autograd.tensors import Tensor
from cnnkit.autograd.variable import Variable

__all__ = ["Function", "Tensor", "Variable", "apply", "apply_to", "backward", "detect_anomaly",
           "enable_grad", "from_dlpack", "functional", "grad", "gradcheck", "gradgradcheck", "inference_mode",
           "is_anomaly_enabled", "is_grad_enabled", "no_grad", "set_detect_anomaly", "set_grad_enabled",
           "tensor"]
