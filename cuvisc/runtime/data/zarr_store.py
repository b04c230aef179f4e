"""Zarr stores of version 2 and 3, a folder or one zip file, through the package zarr. Never torch.

Their metadata is read here first: only codecs that compute numbers are let through, so that nothing a store names, such
as the pickle codec, is ever loaded. Chunks are read by zarr.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.arrays import WINDOW_BYTES
from cuvisc.runtime.data.packages import import_for
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError

_CODECS = {
    2: {"blosc", "zlib", "gzip", "zstd", "lz4", "bz2", "lzma", "shuffle", "delta", "crc32", "adler32"},
    3: {"bytes", "transpose", "blosc", "gzip", "zstd", "crc32c", "sharding_indexed"},
}
_LARGEST_CHUNK = 2**30
_LARGEST_METADATA = 2**24
_MOST_BANDS = 2**20
_MOST_MEMBERS = 4096
_DEEPEST = 16
_FAILURES = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    OverflowError,
    EOFError,
    zipfile.BadZipFile,
)


class ZarrFile:
    """A store; every failure of the library is a :class:`DataError`."""

    def __init__(self, path: Path) -> None:
        self._zarr = import_for(path, "zarr")
        self.name = str(path)
        self._path = path
        self._arrays: dict[str, Mapping[str, Any]] = {}
        self._zip: zipfile.ZipFile | None = None
        self._store: Any = None
        try:
            if path.is_file():
                self._zip = zipfile.ZipFile(path)
            for count, place in enumerate(self._places()):
                if count > _MOST_MEMBERS:
                    raise DataError(f"{path} holds more than {_MOST_MEMBERS} arrays")
                found = self._metadata(place)
                if found is not None:
                    self._arrays[place] = found
        except _FAILURES as error:
            self.close()
            raise DataError(f"{path} cannot be read as Zarr: {_fact(error)}") from error
        except DataError:
            self.close()
            raise

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()
        if self._zip is not None:
            self._zip.close()

    def member(self, path: str) -> Mapping[str, Any] | None:
        """The metadata of the array at a path, or None."""
        return self._arrays.get(path.strip("/"))

    def numeric(self) -> Iterator[str]:
        """Paths of the arrays of numbers."""
        for place in self._arrays:
            if _dtype(self._arrays[place]) is not None:
                yield place

    def shape(self, path: str) -> tuple[int, ...]:
        """The shape of an array; () where the metadata says none."""
        found = (self.member(path) or {}).get("shape")
        return tuple(found) if isinstance(found, list) and all(type(n) is int for n in found) else ()

    def vector(self, path: str) -> list[float] | None:
        """A short array as numbers, or None where it is not there."""
        if self.member(path) is None or len(self.shape(path)) != 1 or self.shape(path)[0] > _MOST_BANDS:
            return None
        return [float(value) for value in self.array(path).read((slice(0, self.shape(path)[0]),))]

    def attributes(self, holder: Any) -> dict[str, Any]:
        """Attributes that are numbers, texts or lists of numbers."""
        found: dict[str, Any] = {}
        raw = holder.get("attributes") if isinstance(holder, Mapping) else None
        for name, value in (raw if isinstance(raw, Mapping) else {}).items():
            if isinstance(value, list) and value and all(_is_number(item) for item in value):
                found[name] = np.asarray(value)
            elif isinstance(value, str) or _is_number(value):
                found[name] = value
        return found

    def array(self, path: str, axes: tuple[int, ...] | None = None) -> ZarrArray:
        """An array of numbers; raises :class:`DataError` naming those there are, or what is wrong with it."""
        place = path.strip("/")
        metadata = self._arrays.get(place)
        if metadata is None or _dtype(metadata) is None:
            names = list(self.numeric())
            listed = ", ".join(f"`{name}`" for name in names[:12]) or "no array of numbers"
            hint = did_you_mean(place, names)
            raise DataError(
                f"{self.name} has no array `{path}`; it holds {listed}{f'. {hint}' if hint else ''}"
            )
        self._check(place, metadata)
        from cuvisc.runtime.data.zarr_bounds import bounded

        try:
            store, version = self._store or self._open_store(), metadata["zarr_format"]
            opened = self._zarr.open_array(store=store, path=place, mode="r", zarr_format=version)
            self._store = store
            opened = self._zarr.Array(
                self._zarr.AsyncArray(metadata=bounded(opened.metadata), store_path=opened.store_path)
            )
        except _FAILURES as error:
            raise DataError(f"{self.name}: `{place}` is damaged: {_fact(error)}") from error
        return ZarrArray(self, place, opened, axes)

    def _open_store(self) -> Any:
        storage = self._zarr.storage
        if self._zip is None:
            return storage.LocalStore(self._path, read_only=True)
        return storage.ZipStore(self._path, mode="r")

    def _check(self, place: str, metadata: Mapping[str, Any]) -> None:
        """Raise :class:`DataError` for what would execute, or take memory, beyond the array itself."""
        version = metadata["zarr_format"]
        for codec in _codecs(metadata):
            if codec not in _CODECS[version]:
                raise DataError(
                    f"{self.name}: `{place}` is encoded by {codec!r}, which is not one for numbers"
                )
        shape, dtype = self.shape(place), _dtype(metadata)
        grid = metadata.get("chunk_grid")
        configuration = grid.get("configuration", {}) if isinstance(grid, Mapping) else {}
        chunks: Any = metadata.get("chunks") if version == 2 else configuration.get("chunk_shape")
        sound = isinstance(chunks, list) and len(chunks) == len(shape) > 0
        if not sound or not all(type(n) is int and n >= 1 for n in chunks) or min(shape) < 0:
            raise DataError(f"{self.name}: `{place}` is damaged: its shape is no shape")
        assert dtype is not None
        size = math.prod(chunks) * dtype.itemsize
        if size > _LARGEST_CHUNK:
            raise DataError(f"{self.name}: `{place}` is damaged: it declares chunks of {size} bytes")
        self._check_members(place, size)

    def _check_members(self, place: str, size: int) -> None:
        """Raise :class:`DataError` for a member of a zip file that expands to more than a chunk of this size can be."""
        from cuvisc.runtime.data.zarr_bounds import limit_of

        prefix = f"{place}/" if place else ""
        for member in self._zip.infolist() if self._zip is not None else ():
            if member.filename.startswith(prefix) and member.file_size > limit_of(size):
                raise DataError(
                    f"{self.name}: `{place}` is damaged: {member.filename} holds {member.file_size} bytes, "
                    f"a chunk has {size}"
                )

    def _metadata(self, place: str) -> Mapping[str, Any] | None:
        """What is said of an array, the attributes of version 2 put where version 3 has them; None for a group."""
        prefix = f"{place}/" if place else ""
        found = self._json(f"{prefix}zarr.json")
        if found is not None:
            return {**found, "zarr_format": 3} if found.get("node_type") == "array" else None
        found = self._json(f"{prefix}.zarray")
        if found is None:
            return None
        return {**found, "zarr_format": 2, "attributes": self._json(f"{prefix}.zattrs")}

    def _json(self, key: str) -> Mapping[str, Any] | None:
        content = self._read(key)
        if content is None:
            return None
        try:
            found = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self.name} is damaged: {key} is not JSON") from error
        if not isinstance(found, dict):
            raise DataError(f"{self.name} is damaged: {key} is no mapping")
        return found

    def _read(self, key: str) -> bytes | None:
        if self._zip is not None:
            try:
                size = self._zip.getinfo(key).file_size
            except KeyError:
                return None
            content = self._zip.read(key) if size <= _LARGEST_METADATA else None
        else:
            file = self._path / key
            if not file.is_file():
                return None
            if not file.resolve().is_relative_to(self._path.resolve()):
                raise DataError(f"{self.name}: {key} is a link to elsewhere, which is not followed")
            content = file.read_bytes() if file.stat().st_size <= _LARGEST_METADATA else None
        if content is None:
            raise DataError(f"{self.name} is damaged: {key} is larger than metadata can be")
        return content

    def _places(self) -> Iterator[str]:
        """Paths that may be arrays: those with metadata, none inside an array."""
        if self._zip is not None:
            names = (name.rpartition("/") for name in self._zip.namelist())
            yield from sorted({head for head, _, name in names if name in ("zarr.json", ".zarray")})
            return
        yield from self._folders("", _DEEPEST)

    def _folders(self, place: str, depth: int) -> Iterator[str]:
        yield place
        if not depth or self._metadata(place) is not None:
            return
        with os.scandir(self._path / place) as entries:
            inner = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        for name in inner[:_MOST_MEMBERS]:
            yield from self._folders(f"{place}/{name}" if place else name, depth - 1)


class ZarrArray:
    """A :class:`SlicedFile` over an array; axis `i` is axis `axes[i]` of what is stored."""

    def __init__(self, file: ZarrFile, path: str, opened: Any, axes: tuple[int, ...] | None) -> None:
        self._file, self._path, self._array = file, path, opened
        self._axes = axes or tuple(range(opened.ndim))
        self.shape: tuple[int, ...] = tuple(opened.shape[axis] for axis in self._axes)
        self.dtype: np.dtype[Any] = np.dtype(opened.dtype)
        self.window_bytes = WINDOW_BYTES
        chunks = opened.shards or opened.chunks
        self.grain: tuple[int, ...] = tuple(chunks[axis] for axis in self._axes)

    def read(self, box: tuple[slice, ...]) -> NDArray[Any]:
        """The values of a box."""
        stored = [slice(0)] * len(box)
        for axis, part in zip(self._axes, box, strict=True):
            stored[axis] = part
        try:
            values = np.asarray(self._array[tuple(stored)])
        except _FAILURES as error:
            raise DataError(f"{self._file.name}: `{self._path}` is damaged: {_fact(error)}") from error
        return values.transpose(self._axes)

    def close(self) -> None:
        """Close the store."""
        self._file.close()


def _codecs(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Names of every codec that an array names, also inside shards."""
    if metadata["zarr_format"] == 2:
        for codec in [metadata.get("compressor"), *(metadata.get("filters") or [])]:
            if codec is not None:
                yield str(codec.get("id")) if isinstance(codec, Mapping) else str(codec)
        return
    for codec in [*_listed(metadata.get("codecs")), *_listed(metadata.get("storage_transformers"))]:
        if not isinstance(codec, Mapping):
            yield str(codec)
            continue
        yield str(codec.get("name"))
        inner: Any = codec.get("configuration")
        for key in ("codecs", "index_codecs") if isinstance(inner, Mapping) else ():
            yield from _codecs({"zarr_format": 3, "codecs": inner.get(key)})


def _dtype(metadata: Mapping[str, Any]) -> np.dtype[Any] | None:
    """The dtype of an array of numbers, None for others."""
    text = metadata.get("dtype" if metadata["zarr_format"] == 2 else "data_type")
    try:
        dtype = np.dtype(text) if isinstance(text, str) else None
    except TypeError:
        return None
    return dtype if dtype is not None and dtype.kind in "uif" else None


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _fact(error: BaseException) -> str:
    return next(iter(str(error).strip("\"' \n").splitlines()), type(error).__name__)
