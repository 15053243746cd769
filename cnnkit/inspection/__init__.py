"""What shows how a model runs: which kernels its calls come to."""

from cnnkit.inspection.explanation import Declined, Explanation, KernelCall
from cnnkit.inspection.kernels import explain

__all__ = ["Declined", "Explanation", "KernelCall", "explain"]
