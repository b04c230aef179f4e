"""Where outputs go: an output path and the names of the outputs to a format and its files. Pure Python.

`.npz` holds all outputs in one file. A raster format has one file an output: `OUT.tif` itself where there is one,
else `OUT_rx.scores.tif`, `OUT_decider.decisions.tif`. ENVI is a pair, `OUT.hdr` beside `OUT.img`. A picture of each,
`OUT.png`, stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cuvisc.runtime.data.writers import envi, geotiff
from cuvisc.schema.errors import SpecError

SUFFIX_OF = {"npz": ".npz", "geotiff": ".tif", "envi": ".hdr"}


def format_of(path: Path) -> str:
    """The format that an output's suffix asks for; raises :class:`SpecError`."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return "npz"
    if suffix in geotiff.SUFFIXES:
        return "geotiff"
    if suffix in envi.SUFFIXES:
        return "envi"
    raise SpecError(
        f"{path}: outputs are written as .npz, .tif or .hdr; give a name that ends in one of them"
    )


def name_in_folder(folder: Path, source: Path, kind: str, wanted: str | None) -> Path:
    """The output of an input in a folder: the input's stem, in its own format where that is a raster's."""
    form = wanted or (kind if kind in SUFFIX_OF else "npz")
    return folder / (source.stem + SUFFIX_OF[form])


def files_of(output: Path, names: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    """The files of every output by name; of a raster its picture, and then its own: of ENVI data and header."""
    form = format_of(output)
    if form == "npz":
        return dict.fromkeys(names, (output,))
    if form == "envi":
        data = output.with_suffix(".img") if output.suffix.lower() == ".hdr" else output
        own: tuple[Path, ...] = (data, output.with_suffix(".hdr"))
    else:
        own = (output,)
    bases = (output.with_suffix(".png"), *own)
    if len(names) == 1:
        return {names[0]: bases}
    return {
        name: tuple(base.with_name(f"{base.stem}_{name}{base.suffix}") for base in bases) for name in names
    }
