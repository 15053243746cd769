"""The NumPy backend: arrays are ``numpy.ndarray``; `cnnkit_numpy.kernels` makes its ops as fast as NumPy can be."""

import numpy

from cnnkit.backends import ArrayAPIBackend

# NumPy's own namespace has followed the standard in full since 2.1; before that array-api-compat fills it up.
backend = ArrayAPIBackend("numpy", numpy if hasattr(numpy, "astype") else "array_api_compat.numpy",
                          ("numpy:ndarray", "numpy:generic"))
backend.host = True
