"""Normalisation on Tensors."""
