"""A file that holds datasets by path with attributes, as HDF5 does: what readers of such files ask it. Never torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from cuvisc.runtime.data.arrays import SlicedFile


class DatasetFile(Protocol):
    """Paths are `group/dataset`, with or without a slash in front; every failure is a :class:`DataError`."""

    name: str

    def member(self, path: str) -> Any:
        """What stands at a path, or None."""

    def numeric(self) -> Iterator[str]:
        """Paths of the datasets of numbers."""

    def shape(self, path: str) -> tuple[int, ...]:
        """The shape of a dataset."""

    def vector(self, path: str) -> list[float] | None:
        """A short dataset as numbers, or None where it is not there."""

    def attributes(self, holder: Any) -> dict[str, Any]:
        """Attributes of a member that are short numbers or texts."""

    def array(self, path: str, axes: tuple[int, ...] | None = None) -> SlicedFile:
        """A dataset of numbers; axis `i` of the array is axis `axes[i]` of the dataset."""

    def close(self) -> None:
        """Close the file."""
