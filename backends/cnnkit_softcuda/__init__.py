"""A CUDA device in software for the real CuPy: its kernels run on the CPU, every access checked.

A testing tool. ``python -m cnnkit_softcuda COMMAND`` runs a command on it; what is here asks and sets the
device of the process that it is imported in.
"""

from cnnkit_softcuda.device import exact_allocations, loaded, log, reset, setting, stats, streams, watched

__all__ = ["exact_allocations", "loaded", "log", "reset", "setting", "stats", "streams", "watched"]
