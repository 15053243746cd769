"""A ladder to the C++ kernels: a network's first layers, computed by short files that add one idea at a time.

``python -m cnnkit_cpu.ladder`` builds, checks and times them; ``backends/cnnkit_cpu/README.md`` explains it.
"""
