"""PyTorch's functions on Tensors: names, signatures and defaults as in ``torch.nn.functional``."""

from typing import Any

from cnnkit import suggestions
from cnnkit.functional.activation import *
from cnnkit.functional.binary_loss import *
from cnnkit.functional.conv import *
from cnnkit.functional.ctc_loss import *
from cnnkit.functional.distance import *
from cnnkit.functional.dropout import *
from cnnkit.functional.embedding import *
from cnnkit.functional.embedding_bag import *
from cnnkit.functional.fractional_pooling import *
from cnnkit.functional.gates import *
from cnnkit.functional.grid_sampling import *
from cnnkit.functional.in_place import *
from cnnkit.functional.indexing import *
from cnnkit.functional.linear import *
from cnnkit.functional.loss import *
from cnnkit.functional.margin_loss import *
from cnnkit.functional.norm import *
from cnnkit.functional.padding import *
from cnnkit.functional.pooling import *
from cnnkit.functional.power_pooling import *
from cnnkit.functional.regression_loss import *
from cnnkit.functional.resizing import *
from cnnkit.functional.shape import *
from cnnkit.functional.shuffling import *
from cnnkit.functional.similarity import *
from cnnkit.functional.unfolding import *
from cnnkit.functional.unpooling import *

__all__ = [name for name, value in sorted(globals().items())  # whatever the modules above name in theirs
           if getattr(value, "__module__", "").startswith((f"{__name__}.", "cnnkit.autograd.functions."))]


def __getattr__(name: str) -> Any:
    raise suggestions.attribute_error(f"module {__name__!r}", name, __all__, suggestions.FUNCTIONAL)
