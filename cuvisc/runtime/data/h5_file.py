"""HDF5 through h5py, kept to the file itself: no links, no outside storage, no objects. Never torch.

`H5File` walks paths link by link and hands out datasets whose declared size the file can hold; `H5Array` reads boxes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.arrays import WINDOW_BYTES
from cuvisc.runtime.data.packages import import_for
from cuvisc.runtime.data.raw_file import grain_of
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError

_LARGEST_CHUNK = 2**30
_DEFLATE_LIMIT = 1033
_MOST_TEXT = 2**20
_MOST_BANDS = 2**20
_DEEPEST = 16
_MOST_DATASETS = 4096
_FAILURES = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, UnicodeError)


class H5File:
    """An HDF5 file; every failure of the library is a :class:`DataError`."""

    def __init__(self, path: Path) -> None:
        self._h5py = import_for(path, "h5py")
        self.name = str(path)
        try:
            self.root: Any = self._h5py.File(path, "r", locking=False)
        except _FAILURES as error:
            raise DataError(f"{path} cannot be read as HDF5: {_fact(error)}") from error

    def close(self) -> None:
        """Close the file."""
        self.root.close()

    def member(self, path: str) -> Any:
        """The group or dataset at a path, or None; raises :class:`DataError` where a link leads elsewhere."""
        found = self.root
        for part in path.strip("/").split("/"):
            try:
                if not isinstance(found, self._h5py.Group) or part not in found.keys():  # noqa: SIM118
                    return None
                link = found.get(part, getlink=True)
                if not isinstance(link, self._h5py.HardLink):
                    raise DataError(f"{self.name}: `{path}` is a link to elsewhere, which is not followed")
                found = found[part]
            except _FAILURES as error:
                raise DataError(f"{self.name} is damaged: {_fact(error)}") from error
        return found

    def dataset(self, path: str) -> Any:
        """A dataset of numbers; raises :class:`DataError` naming those there are."""
        found = self.member(path)
        if not isinstance(found, self._h5py.Dataset):
            names = list(self.numeric())
            listed = ", ".join(f"`{name}`" for name in names[:12]) or "no array of numbers"
            hint = did_you_mean(path, names)
            raise DataError(
                f"{self.name} has no array `{path}`; it holds {listed}{f'. {hint}' if hint else ''}"
            )
        try:
            self._check(found, path)
        except _FAILURES as error:
            raise DataError(f"{self.name}: `{path}` is damaged: {_fact(error)}") from error
        return found

    def numeric(self) -> Iterator[str]:
        """Paths of the datasets of numbers that hard links lead to."""
        try:
            yield from self._walk(self.root, "", _DEEPEST)
        except _FAILURES as error:
            raise DataError(f"{self.name} is damaged: {_fact(error)}") from error

    def shape(self, path: str) -> tuple[int, ...]:
        """The shape of a dataset."""
        shape: tuple[int, ...] = self.member(path).shape
        return shape

    def vector(self, path: str) -> list[float] | None:
        """A short dataset as numbers, or None where it is not there."""
        found = self.member(path)
        if not isinstance(found, self._h5py.Dataset) or found.dtype.kind not in "uif":
            return None
        found = self.dataset(path)
        if found.size > _MOST_BANDS:
            return None
        try:
            return [float(value) for value in np.asarray(found[()]).reshape(-1)]
        except _FAILURES as error:
            raise DataError(f"{self.name}: `{path}` is damaged: {_fact(error)}") from error

    def text(self, path: str) -> str | None:
        """A dataset that is one text, or None."""
        found = self.member(path)
        if not isinstance(found, self._h5py.Dataset) or found.size != 1 or found.nbytes > _MOST_TEXT:
            return None
        if found.dtype.kind != "S" and self._h5py.check_string_dtype(found.dtype) is None:
            return None
        try:
            return as_text(found[()])
        except _FAILURES as error:
            raise DataError(f"{self.name}: `{path}` is damaged: {_fact(error)}") from error

    def array(self, path: str, axes: tuple[int, ...] | None = None) -> H5Array:
        """A dataset of numbers, its axes in this order."""
        return H5Array(self, path, axes)

    def attributes(self, holder: Any) -> dict[str, Any]:
        """Attributes that are short numbers or texts."""
        found: dict[str, Any] = {}
        try:
            for name in holder.attrs:
                kind = holder.attrs.get_id(name)
                text = self._h5py.check_string_dtype(kind.dtype) is not None
                if text or kind.dtype.kind in "uifS":
                    value = holder.attrs[name]
                    found[name] = as_text(value) if text or kind.dtype.kind == "S" else value
        except _FAILURES as error:
            raise DataError(f"{self.name} is damaged: {_fact(error)}") from error
        return found

    def _walk(self, group: Any, prefix: str, depth: int) -> Iterator[str]:
        for count, name in enumerate(group):
            if count > _MOST_DATASETS or not isinstance(group.get(name, getlink=True), self._h5py.HardLink):
                continue
            found = group[name]
            if isinstance(found, self._h5py.Dataset) and found.dtype.kind in "uif":
                yield f"{prefix}{name}"
            elif isinstance(found, self._h5py.Group) and depth and name != "#refs#":
                yield from self._walk(found, f"{prefix}{name}/", depth - 1)

    def _check(self, found: Any, path: str) -> None:
        name = f"{self.name}: `{path}`"
        if found.dtype.kind not in "uif":
            raise DataError(f"{name} holds {found.dtype}; an array of numbers is wanted")
        if found.external or found.is_virtual:
            raise DataError(f"{name} keeps its values in other files, which are never read")
        if found.shape is None:
            raise DataError(f"{name} is empty")
        chunk = math.prod(found.chunks) * found.dtype.itemsize if found.chunks else 0
        if chunk > _LARGEST_CHUNK:
            raise DataError(f"{name} is damaged: it declares chunks of {chunk} bytes")
        wanted, there = math.prod(found.shape) * found.dtype.itemsize, found.id.get_storage_size()
        limit = there * (_DEFLATE_LIMIT if found.chunks else 1)
        if wanted > max(limit, 2**20):
            raise DataError(f"{name} is damaged: it declares {wanted} bytes and stores {there}")


class H5Array:
    """A :class:`SlicedFile` over a dataset; axis `i` of the array is axis `axes[i]` of the dataset."""

    def __init__(self, file: H5File, path: str, axes: tuple[int, ...] | None = None) -> None:
        self._file, self._path, self._dataset = file, path, file.dataset(path)
        stored: tuple[int, ...] = self._dataset.shape
        self._axes = axes or tuple(range(len(stored)))
        self.shape: tuple[int, ...] = tuple(stored[axis] for axis in self._axes)
        self.dtype: np.dtype[Any] = self._dataset.dtype
        self.window_bytes = WINDOW_BYTES
        chunks = self._dataset.chunks
        self.grain: tuple[int, ...] = (
            tuple(chunks[axis] for axis in self._axes) if chunks else grain_of(self.shape, self._axes)
        )

    def read(self, box: tuple[slice, ...]) -> NDArray[Any]:
        """The values of a box."""
        stored = [slice(0)] * len(box)
        for axis, part in zip(self._axes, box, strict=True):
            stored[axis] = part
        try:
            values: NDArray[Any] = self._dataset[tuple(stored)]
        except _FAILURES as error:
            raise DataError(f"{self._file.name}: `{self._path}` is damaged: {_fact(error)}") from error
        return values.transpose(self._axes)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def as_text(value: Any) -> str | None:
    """One text, however HDF5 keeps it."""
    while isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value if isinstance(value, str) else None


def one_number(value: Any) -> float | None:
    """One number, also in an array of one; None for anything else."""
    values = np.asarray(value) if value is not None else np.empty(0)
    return float(values.reshape(-1)[0]) if values.size == 1 and values.dtype.kind in "uif" else None


def _fact(error: BaseException) -> str:
    return next(iter(str(error).strip("\"' \n").splitlines()), type(error).__name__)
