"""Constants by PyTorch's names."""

import math

__all__ = ["Size", "channels_last", "channels_last_3d", "contiguous_format", "e", "inf", "nan", "newaxis",
           "pi", "preserve_format", "strided"]

e, inf, nan, pi = math.e, math.inf, math.nan, math.pi
newaxis = None  # an index that puts in an axis of size 1
Size = tuple  # what a Tensor's shape is

# accepted by ``memory_format=`` and ``layout=``, and ignored: any layout in memory is taken
contiguous_format, preserve_format = "contiguous_format", "preserve_format"
channels_last, channels_last_3d = "channels_last", "channels_last_3d"
strided = "strided"
