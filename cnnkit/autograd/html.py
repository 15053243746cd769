"""How notebooks show a Tensor: its shape, dtype and library; a picture where it is one; its numbers."""

from __future__ import annotations

import base64
import struct
import zlib
from html import escape
from typing import Any

from cnnkit import backends

__all__ = ["html_of"]

SIDES = range(8, 513)  # of a Tensor that is shown as a picture
SHOWN = 192  # pixels of the longer side, on the page


def html_of(tensor: Any) -> str:
    """The text of ``_repr_html_``."""
    dtype, backend = backends.dtype_name(tensor.dtype), backends.backend_of(tensor.array).name
    gradient = ", requires a gradient" if tensor.requires_grad else ""
    head = f"Tensor of shape {tuple(tensor.shape)}, {dtype}, {backend}{gradient}"
    return f"<p>{escape(head)}</p>{_picture(tensor.detach(), dtype)}<pre>{escape(repr(tensor))}</pre>"


def _picture(tensor: Any, dtype: str) -> str:
    """An ``img`` of (H, W), (1, H, W) or (3, H, W); empty for other shapes. Black is the least number."""
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3) or not {*tensor.shape[1:]} <= {*SIDES}:
        return ""
    if "float" not in dtype and "int" not in dtype:
        return ""
    values = tensor.float()
    low, high = values.min().item(), values.max().item()
    if not float("-inf") < low < high < float("inf"):
        return ""
    C, H, W = values.shape
    levels = ((values - low) * (255 / (high - low))).round().permute(1, 2, 0).reshape(H, W * C)
    pixels = levels.numpy().astype("uint8")
    size = f"width:{max(W * SHOWN // max(H, W), 1)}px;image-rendering:pixelated"
    text = base64.b64encode(_png(W, H, C, pixels.tobytes())).decode()
    return f'<img alt="the Tensor as a picture" style="{size}" src="data:image/png;base64,{text}">'


def _png(width: int, height: int, channels: int, pixels: bytes) -> bytes:
    """A PNG file of grey or red, green and blue bytes, row by row (W3C, Portable Network Graphics, 11.2)."""
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    row = width * channels
    lines = b"".join(b"\0" + pixels[n * row:(n + 1) * row] for n in range(height))  # 0: no filter
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines))
            + chunk(b"IEND", b""))
