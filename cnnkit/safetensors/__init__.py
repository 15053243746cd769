"""Safetensors files: Tensors of any backend to a file and back, whole or one by one, and into a model.

The format cannot hold code, so reading a file never runs any.
"""

from cnnkit.safetensors.file import (
    file_bytes,
    from_bytes,
    header_metadata,
    load_file,
    read_metadata,
    save_file,
    split,
    tensors_from_bytes,
    to_bytes,
    with_ending,
)
from cnnkit.safetensors.lazy import LazyFile, open_file
from cnnkit.safetensors.loading import LoadReport, load_into
from cnnkit.safetensors.renaming import KeyMap, rename, reverse_channels

__all__ = ["KeyMap", "LazyFile", "LoadReport", "file_bytes", "from_bytes", "header_metadata", "load_file",
           "load_into", "open_file", "read_metadata", "rename", "reverse_channels", "save_file", "split",
           "tensors_from_bytes", "to_bytes", "with_ending"]
