"""The Python Array API on Tensors: ``import cnnkit.xp as xp`` gives `cnnkit.autograd.array_namespace.xp`."""

import sys

from cnnkit.autograd.array_namespace import xp

sys.modules[__name__] = xp
