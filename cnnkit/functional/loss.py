"""Losses on Tensors."""
