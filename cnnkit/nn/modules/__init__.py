"""PyTorch's paths of layers, for imports such as ``from torch.nn.modules.batchnorm import _BatchNorm``."""

from cnnkit.nn.activation import *
from cnnkit.nn.container import *
from cnnkit.nn.conv import *
from cnnkit.nn.dropout import *
from cnnkit.nn.flatten import *
from cnnkit.nn.gates import *
from cnnkit.nn.group_norm import *
from cnnkit.nn.lazy import *
from cnnkit.nn.linear import *
from cnnkit.nn.loss import *
from cnnkit.nn.module import *
from cnnkit.nn.module_dict import *
from cnnkit.nn.norm import *
from cnnkit.nn.padding import *
from cnnkit.nn.pooling import *
from cnnkit.nn.resizing import *
from cnnkit.nn.shuffling import *
from cnnkit.nn.unfolding import *
