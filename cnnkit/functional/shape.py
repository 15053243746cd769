"""Joining, padding and selecting Tensors."""
