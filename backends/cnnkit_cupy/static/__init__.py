"""What can be known of the kernels without a GPU: whether each compiles, and what it takes of a
multiprocessor.

``python -m cnnkit_cupy.static`` prints it; ``--write docs/gpu.md`` puts it on that page.
"""
