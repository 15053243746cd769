"""Functions of Tensors, PyTorch's ``torch.*`` and the Array API's: one implementation, two spellings.

A module here holds one kind of functions, whose first argument is the Tensor, and a class that has those
functions as methods. `Tensor` inherits those classes; ``cnnkit.NAME`` is the function.
"""

from cnnkit.autograd.functions.activations import *
from cnnkit.autograd.functions.arithmetic import *
from cnnkit.autograd.functions.comparison import *
from cnnkit.autograd.functions.conversion import *
from cnnkit.autograd.functions.counting import *
from cnnkit.autograd.functions.diagonals import *
from cnnkit.autograd.functions.differences import *
from cnnkit.autograd.functions.drawn import *
from cnnkit.autograd.functions.einsum import *
from cnnkit.autograd.functions.exponential import *
from cnnkit.autograd.functions.extremes import *
from cnnkit.autograd.functions.filled import *
from cnnkit.autograd.functions.joining import *
from cnnkit.autograd.functions.limits import *
from cnnkit.autograd.functions.logic import *
from cnnkit.autograd.functions.moving import *
from cnnkit.autograd.functions.norms import *
from cnnkit.autograd.functions.parts import *
from cnnkit.autograd.functions.products import *
from cnnkit.autograd.functions.putting import *
from cnnkit.autograd.functions.ranges import *
from cnnkit.autograd.functions.rearranging import *
from cnnkit.autograd.functions.reduction import *
from cnnkit.autograd.functions.rounding import *
from cnnkit.autograd.functions.scattering import *
from cnnkit.autograd.functions.selecting import *
from cnnkit.autograd.functions.sorting import *
from cnnkit.autograd.functions.splitting import *
from cnnkit.autograd.functions.spread import *
from cnnkit.autograd.functions.trigonometry import *

__all__ = [name for name, value in sorted(globals().items())  # whatever the modules above name in theirs
           if getattr(value, "__module__", "").startswith(f"{__name__}.")]
