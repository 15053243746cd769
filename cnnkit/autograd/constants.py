"""Constants by PyTorch's names."""

import math

__all__ = ["Size", "channels_last", "channels_last_3d", "contiguous_format", "e", "inf", "nan", "newaxis",
           "pi", "preserve_format", "strided"]

e: float = math.e
inf: float = math.inf
nan: float = math.nan
pi: float = math.pi
newaxis = None  # an index that puts in an axis of size 1
Size = tuple  # what a Tensor's shape is

# accepted by ``memory_format=`` and ``layout=``, and ignored: any layout in memory is taken
contiguous_format: str = "contiguous_format"
preserve_format: str = "preserve_format"
channels_last: str = "channels_last"
channels_last_3d: str = "channels_last_3d"
strided = "strided"
