"""Dense layers on Tensors."""
