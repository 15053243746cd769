"""The error of every reader of files: what a file holds is not what it should be."""

from __future__ import annotations

__all__ = ["FormatError"]


class FormatError(ValueError):
    """A file is damaged, of another format, or larger than its reader takes; the message names it.

    Every reader raises this for every such file, whatever is wrong with it, and before it takes the memory
    that the file asks for.

    >>> issubclass(FormatError, ValueError)
    True
    """
