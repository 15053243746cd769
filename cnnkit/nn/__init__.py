"""Layers: parameters and settings around `cnnkit.functional`, under PyTorch's names."""

from typing import Any

from cnnkit import suggestions
from cnnkit.nn import functional as functional
from cnnkit.nn import init as init
from cnnkit.nn.activation import *
from cnnkit.nn.clip import *
from cnnkit.nn.container import *
from cnnkit.nn.conv import *
from cnnkit.nn.distance import *
from cnnkit.nn.dropout import *
from cnnkit.nn.embedding import *
from cnnkit.nn.eval_mode import *
from cnnkit.nn.flatten import *
from cnnkit.nn.fractional_pooling import *
from cnnkit.nn.function import *
from cnnkit.nn.gates import *
from cnnkit.nn.group_norm import *
from cnnkit.nn.lazy import *
from cnnkit.nn.linear import *
from cnnkit.nn.loss import *
from cnnkit.nn.module import *
from cnnkit.nn.module_dict import *
from cnnkit.nn.norm import *
from cnnkit.nn.padding import *
from cnnkit.nn.parallel import *
from cnnkit.nn.parameter import *
from cnnkit.nn.parameter_dict import *
from cnnkit.nn.pooling import *
from cnnkit.nn.power_pooling import *
from cnnkit.nn.resizing import *
from cnnkit.nn.shuffling import *
from cnnkit.nn.state import *
from cnnkit.nn.sync_norm import *
from cnnkit.nn.unfolding import *
from cnnkit.nn.uninitialized import *
from cnnkit.nn.unpooling import *

from cnnkit.nn import modules as modules  # isort: skip
from cnnkit.nn import utils as utils  # isort: skip

__all__ = [name for name, value in sorted(globals().items())  # whatever the modules above name in theirs
           if name in ("functional", "init")
           or getattr(value, "__module__", "").startswith(f"{__name__}.")]


def __getattr__(name: str) -> Any:
    raise suggestions.attribute_error(f"module {__name__!r}", name, __all__, suggestions.NN)
