"""PyTorch's switches for cuDNN, so that lines which set them run; nothing here reads them.

Kernels repeat their bits without `deterministic`, and choose by shapes without `benchmark`;
`cnnkit.precision` chooses between speed and digits.
"""

enabled = True
benchmark = False
deterministic = True
allow_tf32 = False
