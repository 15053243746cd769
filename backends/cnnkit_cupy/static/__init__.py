"""Checks of the kernels without a GPU: whether each compiles, and the resources that it uses.

``python -m cnnkit_cupy.static`` prints it; ``--write docs/gpu.md`` puts it on that page.
"""
