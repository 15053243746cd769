"""What ``torch.version`` says of CUDA: cnnkit is built for none, CuPy brings its own.

>>> from cnnkit import version
>>> version.cuda is None
True
"""

__all__ = ["cuda", "git_version", "hip"]

cuda: str | None = None
hip: str | None = None
git_version: str | None = None
