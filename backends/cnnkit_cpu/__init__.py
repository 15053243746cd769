"""C++ kernels for NumPy arrays, the kernel table ``cpu``: one source, built for several instruction sets.

`isas` says which of them are built and run here, `isa` which one serves, and `force` chooses another.
"""

from cnnkit_cpu.library import force, isa, isas

__all__ = ["force", "isa", "isas"]
