"""Zarr codecs that refuse a chunk which would expand beyond its array, before memory is taken. Never torch.

Codecs whose frames say their size are asked for it; the others are decompressed here, up to the limit and no further.
"""

from __future__ import annotations

import bz2
import lzma
import math
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numcodecs.abc
import zarr.abc.codec

_SLACK = 2**20
_FACTOR = 8  # a filter may hold every number in a wider type
_ZSTD_BLOCK = 2**17
_ZSTD_FRAME, _ZSTD_SKIPPED = 0xFD2FB528, 0x184D2A50
_AUTOMATIC = 47  # of zlib: a header of gzip or of zlib
_FAILURES = (zlib.error, lzma.LZMAError, struct.error, IndexError, EOFError)


def bounded(metadata: Any) -> Any:
    """The metadata of an array with every compressor, also inside shards, held to the size of its chunks."""
    if metadata.zarr_format == 3:
        return replace(metadata, codecs=tuple(map(_bounded_codec, metadata.codecs)))
    limit = limit_of(math.prod(metadata.chunks) * metadata.dtype.to_native_dtype().itemsize)
    held = {name: getattr(metadata, name) for name in ("compressor", "filters")}
    if held["compressor"] is not None:
        held["compressor"] = _BoundedFilter(held["compressor"], limit)
    if held["filters"]:
        held["filters"] = tuple(_BoundedFilter(codec, limit) for codec in held["filters"])
    return replace(metadata, **held)


def limit_of(size: int) -> int:
    """Bytes that a chunk of this many may take while it is decoded."""
    return _FACTOR * size + _SLACK


class _BoundedFilter(numcodecs.abc.Codec):  # type: ignore[misc]
    """A codec of version 2."""

    codec_id = "bounded"

    def __init__(self, inner: Any, limit: int) -> None:
        self._inner, self._limit = inner, limit

    def encode(self, buf: Any) -> Any:
        return self._inner.encode(buf)

    def decode(self, buf: Any, out: Any = None) -> Any:
        found = _expand(
            self._inner.codec_id, self._inner.get_config(), memoryview(buf).cast("B"), self._limit
        )
        return self._inner.decode(buf, out) if found is None else found

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = self._inner.get_config()
        return config


@dataclass(frozen=True)
class _BoundedCodec(zarr.abc.codec.BytesBytesCodec):
    """A codec of version 3."""

    inner: Any
    is_fixed_size = False

    def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = self.inner.to_dict()
        return found

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        return int(self.inner.compute_encoded_size(input_byte_length, chunk_spec))

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        size = math.prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize
        stored = memoryview(chunk_data.as_numpy_array()).cast("B")
        found = _expand(self.to_dict()["name"], {}, stored, limit_of(size))
        if found is None:
            return await self.inner._decode_single(chunk_data, chunk_spec)
        return chunk_spec.prototype.buffer.from_bytes(found)


def _bounded_codec(codec: Any) -> Any:
    if hasattr(codec, "index_codecs"):
        return replace(codec, codecs=tuple(map(_bounded_codec, codec.codecs)))
    named = codec.to_dict().get("name")
    return _BoundedCodec(codec) if named in _SIZES or named in _STREAMS else codec


def _expand(name: str, config: dict[str, Any], data: memoryview, limit: int) -> bytes | None:
    """The content of data that does not say its size; None where the codec may go on by itself. Raises ValueError."""
    try:
        if name in _STREAMS:
            return b"".join(_stream(lambda: _STREAMS[name](config), data, limit))
        if name in _SIZES and _SIZES[name](data) > limit:
            raise _too_large()
    except _FAILURES as error:
        raise ValueError(str(error) or "it is cut short") from error
    return None


def _stream(start: Callable[[], Any], data: memoryview, limit: int) -> Iterator[bytes]:
    """Parts of the content of one stream after another."""
    rest: Any = data
    while len(rest):
        stream, done = start(), False
        while not done:
            part = stream.decompress(rest, limit + 1)
            limit -= len(part)
            if limit < 0:
                raise _too_large()
            rest = getattr(stream, "unconsumed_tail", b"")
            done = stream.eof
            if not done and not part and not rest:
                raise EOFError("it is cut short")
            yield part
        rest = stream.unused_data


def _too_large() -> ValueError:
    return ValueError("a chunk expands beyond the size that is declared")


def _zstd_size(data: memoryview) -> int:
    """Upper bound of the content of all frames."""
    place = total = 0
    while place + 4 <= len(data):
        (magic,) = struct.unpack_from("<I", data, place)
        if magic & 0xFFFFFFF0 == _ZSTD_SKIPPED:
            place += 8 + int(struct.unpack_from("<I", data, place + 4)[0])
            continue
        if magic != _ZSTD_FRAME:
            break
        flags = data[place + 4]
        single = flags >> 5 & 1
        place += 5 + (1 - single) + (0, 1, 2, 4)[flags & 3]
        width = (single, 2, 4, 8)[flags >> 6]
        said = int.from_bytes(data[place : place + width], "little") + (256 if width == 2 else 0)
        place += width
        found, last = 0, False
        while not last:
            block = int.from_bytes(data[place : place + 3], "little")
            if place + 3 > len(data):
                return max(total + found, total + said)
            last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
            place += 3 + (1 if kind == 1 else size)
            found += size if kind < 2 else _ZSTD_BLOCK
        place += 4 * (flags >> 2 & 1)
        total += said if width else found
    return total


_SIZES: dict[str, Callable[[memoryview], int]] = {
    "blosc": lambda data: int(struct.unpack_from("<I", data, 4)[0]),
    "lz4": lambda data: int(struct.unpack_from("<I", data)[0]),
    "zstd": _zstd_size,
}
_STREAMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "zlib": lambda config: zlib.decompressobj(_AUTOMATIC),
    "gzip": lambda config: zlib.decompressobj(_AUTOMATIC),
    "bz2": lambda config: bz2.BZ2Decompressor(),
    "lzma": lambda config: lzma.LZMADecompressor(
        format=config.get("format", lzma.FORMAT_AUTO) if config.get("filters") else lzma.FORMAT_AUTO,
        filters=config.get("filters") if config.get("format") == lzma.FORMAT_RAW else None,
    ),
}
