"""What outputs say of the model and the thresholds that made them, and whether these are the ones at hand. Never torch.

A raster has notes in its header or tags, `.npz` in the comment of the archive, which NumPy does not look at. `.npz`
without notes holds outputs where every array is named node.port.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path

from cuvisc.runtime.data.envi_fields import read_header
from cuvisc.runtime.data.opening import array_names
from cuvisc.runtime.data.raster_file import RasterFile
from cuvisc.runtime.data.writers.geotiff import TAG
from cuvisc.runtime.data.writers.naming import files_of, format_of
from cuvisc.runtime.data.writers.npz import read_notes
from cuvisc.runtime.inference import Predictor
from cuvisc.runtime.inputs import RESAMPLED
from cuvisc.schema.errors import DataError, SpecError

_MODEL = "model sha256"
_THRESHOLDS = "thresholds"


class Stale(StrEnum):
    """Why outputs that are there are made anew."""

    INCOMPLETE = "lacking some"
    MODEL = "of another model"
    THRESHOLDS = "with other thresholds"


def notes_of(predictor: Predictor, thresholds: Mapping[str, float] | None = None) -> dict[str, str]:
    """The model, and thresholds that were asked for; raises :class:`SpecError` for one that it has not."""
    notes = {"artifact": predictor.manifest.name, _MODEL: predictor.manifest.files["model.onnx"]}
    asked = {predictor.find_threshold(name).node: value for name, value in (thresholds or {}).items()}
    if asked:
        notes[_THRESHOLDS] = " ".join(f"{node}={asked[node]:.9g}" for node in sorted(asked))
    return notes


def find_stale(
    output: Path, names: Sequence[str], notes: Mapping[str, str], *, force: bool = False
) -> Stale | None:
    """Why the outputs at `output`, some of which are there, are not those of `notes`; None where they are.

    Raises :class:`SpecError` where one of them is a file that no prediction wrote, unless by `force`.
    """
    files = files_of(output, names)
    if not all(file.exists() for paths in files.values() for file in paths):
        return Stale.INCOMPLETE
    found = {paths[-1]: _notes_in(paths[-1], names, notes) for paths in files.values()}
    foreign = [path for path, said in found.items() if _MODEL not in said]
    if foreign and not force:
        raise SpecError(f"{foreign[0]} is no output of `cuvisc predict`; give --force to replace it")
    if any(said.get(_MODEL) != notes[_MODEL] for said in found.values()):
        return Stale.MODEL
    if any(said.get(_THRESHOLDS) != notes.get(_THRESHOLDS) for said in found.values()):
        return Stale.THRESHOLDS
    return None


def _notes_in(path: Path, names: Sequence[str], notes: Mapping[str, str]) -> Mapping[str, str]:
    """The notes of a file; of `.npz` without any, `notes` themselves less thresholds where it has just these arrays."""
    form = format_of(path)
    try:
        if form == "npz":
            arrays = set(array_names(path)) - {RESAMPLED}
            known = read_notes(path)
            if not known and arrays and all("." in name for name in arrays):
                known = {_MODEL: notes[_MODEL] if arrays == set(names) else ""}
        elif form == "envi":
            fields = read_header(path)
            known = {name.removeprefix("cuvisc "): str(value) for name, value in fields.items()}
            known = known if f"cuvisc {_MODEL}" in fields else {}
        else:
            with closing(RasterFile(path, "GTiff")) as raster:
                tags = raster.dataset.tags()
            known = {
                name.removeprefix(TAG).lower().replace("_", " "): value
                for name, value in tags.items()
                if name.startswith(TAG)
            }
    except (DataError, zipfile.BadZipFile):
        known = {}
    return known
