"""Convolution on Tensors."""
