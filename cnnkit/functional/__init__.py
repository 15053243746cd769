"""PyTorch's functions on Tensors: names, signatures and defaults as in ``torch.nn.functional``."""
