"""The NumPy backend: arrays are ``numpy.ndarray``; `cnnkit_numpy.kernels` makes its ops as fast as NumPy can be."""

import numpy

from cnnkit.backends import ArrayAPIBackend

backend = ArrayAPIBackend("numpy", numpy, ("numpy:ndarray", "numpy:generic"))
backend.host = True
