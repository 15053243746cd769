"""What of ``torch.func`` is here: a module called with other parameters; `autograd.functional` has the rest.

>>> from cnnkit import func, nn, ones
>>> func.functional_call(nn.Linear(2, 1), {"weight": ones(1, 2), "bias": ones(1)}, ones(1, 2))
tensor([[3.]])
"""

from cnnkit.nn.utils.stateless import functional_call

__all__ = ["functional_call"]
