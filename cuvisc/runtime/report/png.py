"""Pixels to PNG files inside a page: a data URI, nothing to fetch. NumPy and zlib only."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode(pixels: NDArray[Any], palette: NDArray[np.uint8] | None = None) -> bytes:
    """A PNG of colours uint8 [H,W,3], or of indices uint8 [H,W] into a palette uint8 [n,3]."""
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels, np.uint8).reshape(height, -1)
    if palette is None:
        # Each row as the difference from the one above compresses photographs to about half.
        body = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))
        kind, filtered = 2, 2
    else:
        body, kind, filtered = rows, 3, 0
    lines = np.concatenate([np.full((height, 1), filtered, np.uint8), body], axis=1)
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))]
    if palette is not None:
        chunks.append(_chunk(b"PLTE", palette.tobytes()))
    chunks += [_chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)), _chunk(b"IEND", b"")]
    return SIGNATURE + b"".join(chunks)


def data_uri(png: bytes) -> str:
    """The file as the address of an image."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
