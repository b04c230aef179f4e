"""What a user names as inputs (files, folders, patterns) to cubes, and each cube to its output. Never torch.

A file may be given as `scene.h5::/path`. A folder gives the cubes directly in it: of ENVI pairs the header, and
neither pictures nor ground truth that lies beside a cube.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cuvisc.runtime.data.opening import array_names, holds_cube, split_location
from cuvisc.runtime.data.truth import is_truth
from cuvisc.schema.errors import DataError, SpecError

RESAMPLED = "resampled_wavelengths"
_PATTERN = frozenset("*?[")


class Input(NamedTuple):
    """A cube file, and the array in it that is meant."""

    path: Path
    key: str | None


class Inputs(NamedTuple):
    """The cubes, and whether they were named one by one: a single file may have a file as its output."""

    cubes: list[Input]
    single: bool


def find_inputs(texts: Sequence[str], key: str | None = None, outputs: Sequence[str] = ()) -> Inputs:
    """The cubes that texts name, each once; raises :class:`DataError` for a text that names none.

    Of folders and patterns, files that a prediction with these `outputs` wrote are left out.
    """
    found: list[Input] = []
    single = len(texts) == 1
    for text in texts:
        path, inside = split_location(text, key)
        if path.is_dir() and not holds_cube(path):
            single = False
            cubes = list_cubes(sorted(path.iterdir()), outputs)
            if not cubes:
                raise DataError(f"{path} is a folder without cubes")
        elif not path.exists() and _PATTERN & set(str(path)):
            single = False
            named = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
            cubes = list_cubes(named, outputs)
            if not cubes:
                raise DataError(f"no cube matches {path}")
        else:
            cubes = [path]
        found += [Input(cube, inside) for cube in cubes]
    return Inputs(list(dict.fromkeys(found)), single)


def list_cubes(paths: Sequence[Path], outputs: Sequence[str] = ()) -> list[Path]:
    """Those of the paths that are cubes by their names; none that was written with these `outputs`."""
    cubes = [path for path in paths if holds_cube(path) and not _was_written(path, outputs)]
    stems = {path.stem for path in cubes}
    return [path for path in cubes if not is_truth(path, stems)]


def _was_written(path: Path, outputs: Sequence[str]) -> bool:
    """Whether a file is a raster that ends as an output does, or `.npz` that holds outputs and nothing else."""
    if path.stem.endswith(tuple(f"_{name}" for name in outputs)):
        return True
    if not outputs or path.suffix.lower() != ".npz":
        return False
    try:
        found = set(array_names(path)) - {RESAMPLED}
    except (DataError, OSError):
        return False
    return bool(found) and found <= set(outputs)


def refuse_doubles(outputs: Sequence[tuple[Input, Path]]) -> None:
    """Raise :class:`SpecError` where two inputs have one output."""
    taken: dict[Path, Input] = {}
    for cube, output in outputs:
        other = taken.setdefault(output, cube)
        if other != cube:
            raise SpecError(f"{other.path} and {cube.path} would both be written to {output}; run them apart")
