"""Layers: parameters and settings around `cnnkit.functional`, under PyTorch's names."""
