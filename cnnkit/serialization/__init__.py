"""PyTorch's files, read without running the code that they may hold, and written so that PyTorch reads them.

Such a file is a program for a machine that can call any function of any module (a pickle). Here a small
machine reads it that knows numbers, text, containers and Tensors, and nothing else: it imports nothing, calls
nothing that the file names, and refuses every other name.
"""

from cnnkit.serialization.reading import load
from cnnkit.serialization.writing import save

__all__ = ["load", "save"]
