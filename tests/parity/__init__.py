"""How much of PyTorch's surface cnnkit has, judged by PyTorch's own test samples.

``python -m parity --write ../docs/parity.md`` (in `tests`, with PyTorch) runs every sample of
``torch.testing._internal`` for the names in `surface` through both libraries in float64, forward and
gradients, and writes the page; without ``--write`` it prints it.
"""
