"""A ladder to the C++ kernels: one small network's first layers, computed by short files that each add one idea.

``python -m cnnkit_cpu.ladder`` builds, checks and times them; ``backends/cnnkit_cpu/README.md`` explains them.
"""
