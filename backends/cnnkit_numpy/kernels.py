"""The NumPy kernel table: each op as fast as NumPy alone can run it."""

from cnnkit.backends import KernelTable

table = KernelTable("numpy", "numpy", {})
