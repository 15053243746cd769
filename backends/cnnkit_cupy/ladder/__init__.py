"""A ladder to the CUDA kernels: a network's first layers, in short files that add one idea at a time.

``python -m cnnkit_cupy.ladder`` runs, checks and counts them without a GPU;
``backends/cnnkit_cupy/README.md`` explains them.
"""
