"""Activation functions on Tensors."""
