"""Dropout on Tensors."""
