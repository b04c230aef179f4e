"""A folder to the cubes in it, each with its name and ground truth, described and checked against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cuvisc.runtime.data.annotations import AnyTruth, Finder, check_size, classes_of
from cuvisc.runtime.data.cube_file import CubeFile, check_agreement, find_files
from cuvisc.runtime.data.opening import split_location
from cuvisc.schema.errors import DataError

Place = tuple[Path, str | None]
Patterns = Sequence[str] | str


@dataclass(frozen=True)
class Folder:
    """The cubes of a folder by name: the path below the folder, without suffix where that tells all apart."""

    root: Path
    files: Mapping[str, CubeFile]

    @property
    def first(self) -> CubeFile:
        """The file that the others are compared with."""
        return next(iter(self.files.values()))

    @property
    def class_names(self) -> Mapping[int, str]:
        """Names of the classes, where the ground truth says them."""
        names: dict[int, str] = {}
        for file in self.files.values():
            names |= classes_of(file.truth)
        return names


def find_places(
    root: Path, patterns: Patterns, key: str | None, finders: Sequence[Finder], owner: str
) -> list[Place]:
    """Cubes that patterns name, each once, without the files that are ground truth of another."""
    found: dict[Place, None] = {}
    for text in [patterns] if isinstance(patterns, str) else patterns:
        pattern, inside = split_location(text, key)
        found |= dict.fromkeys((path, inside) for path in find_files(root, str(pattern), owner))
    truth = {finder.path_of(path) for path, _ in found for finder in finders}
    cubes = [place for place in found if place[0] not in truth]
    if not cubes:
        raise DataError(f"{owner}: `files` names no cube in {root}, only ground truth")
    return cubes


def describe_folder(
    root: Path, places: Sequence[Place], finders: Sequence[Finder], by_convention: bool
) -> Folder:
    """Headers of all cubes; raises :class:`DataError` for ground truth that is missing or of another size."""
    files = []
    for path, key in places:
        file = CubeFile.describe(path, key) if by_convention else CubeFile.describe(path, key, {})
        truth: dict[str, AnyTruth] = {finder.kind: finder.find(path) for finder in finders}
        files.append(replace(file, truth={**file.truth, **truth}))
    check_agreement(files, ("mask", "labels"))
    for file in files:
        for found in file.truth.values():
            check_size(found, file.size)
    return Folder(root, dict(zip(_names(root, places), files, strict=True)))


def _names(root: Path, places: Sequence[Place]) -> list[str]:
    below = [path.relative_to(root) if path.is_relative_to(root) else path for path, _ in places]
    short = [path.with_suffix("").as_posix() for path in below]
    counts = Counter(short)
    names = [name if counts[name] == 1 else path.as_posix() for name, path in zip(short, below, strict=True)]
    counts = Counter(names)
    return [
        name if counts[name] == 1 else f"{name}::{key}" for name, (_, key) in zip(names, places, strict=True)
    ]
