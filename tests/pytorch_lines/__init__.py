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
    layers,
    making,
    module,
    moving,
    norms,
    optimizer,
    pointwise,
    products,
    reduction,
    scattering,
    selecting,
    sorting,
    state,
    tensor,
    views,
)
from pytorch_lines.running import outcome

__all__ = ["TABLES", "outcome"]

PARTS = (containers, grad_mode, in_place, joining, layers, making, module, moving, norms, optimizer,
         pointwise, products, reduction, scattering, selecting, sorting, state, tensor, views)
TABLES = {part.__name__.rpartition(".")[2]: part for part in PARTS}
