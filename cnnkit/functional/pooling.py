"""Pooling on Tensors."""
