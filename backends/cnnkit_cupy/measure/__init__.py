"""The one command for a machine with a GPU: ``python -m cnnkit_cupy.measure``."""
