"""Lines that a PyTorch user writes without thinking, and what they give, in PyTorch and in cnnkit.

A line is text, so that the same text runs with the names of either library: ``torch`` is cnnkit or PyTorch,
``nn``, ``F`` and ``optim`` are its parts. Its value is the value of its last expression, as plain Python
values, or the class of the exception that it raises. Each table has a preamble that runs before every line.
"""

from pytorch_lines import (
    containers,
    grad_mode,
    in_place,
    joining,
    making,
    module,
    moving,
    optimizer,
    pointwise,
    scattering,
    selecting,
    state,
    tensor,
)
from pytorch_lines.running import outcome

__all__ = ["TABLES", "outcome"]

PARTS = (containers, grad_mode, in_place, joining, making, module, moving, optimizer, pointwise, scattering,
         selecting, state, tensor)
TABLES = {part.__name__.rpartition(".")[2]: part for part in PARTS}
