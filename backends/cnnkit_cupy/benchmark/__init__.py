"""How fast the kernels are on the GPU at hand.

``python -m cnnkit_cupy.benchmark`` prints it; ``--write docs/gpu.md`` puts it on that page.
"""
