"""A cube file to files of outputs, block by block, reading, running and writing at the same time.

Never torch, lightning or onnx.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cuvisc.runtime.atomic import atomic_file
from cuvisc.runtime.data.nodata import find_missing, stored_nodata
from cuvisc.runtime.data.resampling import Resampled
from cuvisc.runtime.data.source import CubeSource
from cuvisc.runtime.data.writers.naming import files_of, format_of
from cuvisc.runtime.evaluation import DECISIONS, SCORE_UNITS
from cuvisc.runtime.inference import Part, Predictor
from cuvisc.runtime.lanes import WriteBehind
from cuvisc.runtime.output_files import OutputFiles
from cuvisc.runtime.predicted import Predicted, adjoined
from cuvisc.runtime.provenance import notes_of
from cuvisc.runtime.value_range import ValueRange
from cuvisc.schema.errors import SpecError

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Summary:
    """What a prediction did.

    `nodata_pixels` are without data in every band, `non_finite_pixels` have a NaN or infinite band besides: both have
    NaN scores and are never decided for. `partly_nodata_pixels` lack some bands and were predicted as they are.
    `unscored_pixels` have all their data and NaN scores: the model marks them, or computes nothing finite of them.
    `decided_pixels` says of how many of the others each output of decisions decides for.
    `warnings` are of values unlike those of training.
    """

    input: str
    output: str
    pixels: int
    bands: int
    dtype: str
    non_finite_pixels: int
    nodata_pixels: int
    partly_nodata_pixels: int
    unscored_pixels: int
    decided_pixels: Mapping[str, int]
    resampled: bool
    warnings: tuple[str, ...]
    seconds: float
    provider: str
    outputs: Mapping[str, tuple[int, ...]]
    files: Mapping[str, str]

    @property
    def scored_pixels(self) -> int:
        """Pixels that have a score and are decided on."""
        return self.pixels - self.non_finite_pixels - self.nodata_pixels - self.unscored_pixels

    @property
    def mpixels_per_second(self) -> float:
        """Million pixels a second, reading and writing included."""
        return self.pixels / 1e6 / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """The summary for `--json`."""
        return {**asdict(self), "mpixels_per_second": self.mpixels_per_second}


def predict_file(
    predictor: Predictor,
    source: CubeSource,
    output: Path,
    *,
    thresholds: Mapping[str, float] | None = None,
    force: bool = False,
    progress: Progress = lambda pixels: None,
) -> Summary:
    """Write every output of the cube to the files that `output` names, all or none.

    The suffix says the format, `writers.naming` the files. `progress` is told the number of pixels of each block
    that was run.
    """
    format_of(output)
    _keep_input(output, source, predictor.output_names)
    started = time.perf_counter()
    with ExitStack() as stack:
        files = files_of(output, predictor.output_names)
        targets = dict.fromkeys(path for paths in files.values() for path in paths)
        temporary = {path: stack.enter_context(atomic_file(path, force=force)) for path in targets}
        placed = {name: tuple(temporary[path] for path in paths) for name, paths in files.items()}
        writer = stack.enter_context(
            OutputFiles(format_of(output), placed, source, predictor, _notes(predictor, source, thresholds))
        )
        nodata = stored_nodata(source.facts.nodata, source.dtype)
        seen = _Seen(
            nodata,
            predictor.manifest.bands_read,
            ValueRange(nodata),
            _images(predictor, SCORE_UNITS),
            dict.fromkeys(_images(predictor, (DECISIONS,)), 0),
        )

        def write(parts: list[Predicted]) -> None:
            for part in adjoined(parts):
                seen.count(part)
                writer.put(part)

        with (
            closing(predictor.parts(source, thresholds, ahead=True)) as parts,
            WriteBehind(write, predictor.group(source)) as behind,
        ):
            for part in parts:
                behind.put(seen.without_spectra(part))
                progress(part.block.pixels)
        writer.save()
    doubt = seen.values.doubt(predictor.manifest.trained_range, source.name, predictor.manifest.name)
    return Summary(
        input=source.name,
        output=str(output),
        pixels=source.pixels,
        bands=source.shape[3],
        dtype=source.dtype.name,
        non_finite_pixels=seen.non_finite,
        nodata_pixels=seen.without,
        partly_nodata_pixels=seen.partly,
        unscored_pixels=seen.unscored,
        decided_pixels=seen.decided,
        resampled=isinstance(source, Resampled),
        warnings=(doubt,) if doubt else (),
        seconds=time.perf_counter() - started,
        provider=predictor.provider,
        outputs=writer.shapes,
        files={name: str(paths[-1]) for name, paths in files.items()},
    )


@dataclass
class _Seen:
    """The range of all values, and how many pixels are without data, not finite, unscored, decided for; by blocks."""

    nodata: Any
    bands_read: tuple[int, ...] | None
    values: ValueRange
    scores: tuple[str, ...]
    decided: dict[str, int]
    non_finite: int = 0
    without: int = 0
    partly: int = 0
    unscored: int = 0

    def without_spectra(self, part: Part) -> Predicted:
        """Take in the spectra of a block; what is written of it, since they are not held until then."""
        self.values.update(part.spectra)
        missing = find_missing(part.spectra, self.nodata, self.bands_read)
        empty = np.zeros_like(part.broken) if missing is None else missing.whole
        if missing is not None:
            self.partly += 0 if self.nodata != self.nodata else missing.partly
            self.without += int(np.count_nonzero(empty))
        return Predicted(part.block, part.outputs, empty, part.broken)

    def count(self, part: Predicted) -> None:
        """Take in what is written, on the thread that writes: there blocks are joined, and the kernel does not wait."""
        without = part.broken | part.holes
        self.non_finite += int(np.count_nonzero(part.broken & ~part.holes))
        lost = [np.isnan(part.outputs[name][0, ..., 0]) for name in self.scores]
        if any(found.any() for found in lost):
            unscored = np.logical_or.reduce(lost) & ~without
            self.unscored += int(np.count_nonzero(unscored))
            without |= unscored
        for name in self.decided:
            decided = part.outputs[name][0]
            decided = decided[..., 0] if decided.shape[-1] == 1 else decided.any(axis=-1)
            self.decided[name] += int(np.count_nonzero(decided & ~without if without.any() else decided))


def _images(predictor: Predictor, units: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the outputs of one of these units that have a value in every pixel."""
    found = [output for output in predictor.manifest.outputs if output.unit in units]
    return tuple(output.name for output in found if predictor.is_image(output.name))


def _notes(
    predictor: Predictor, source: CubeSource, thresholds: Mapping[str, float] | None
) -> dict[str, str]:
    """What outputs say about where they come from."""
    notes = notes_of(predictor, thresholds)
    if isinstance(source, Resampled):
        notes["resampling"] = f"linear to the {source.shape[3]} band centres of the model"
    return notes


def _keep_input(output: Path, source: CubeSource, names: tuple[str, ...]) -> None:
    """Raise :class:`SpecError` where an output would take the place of the input, forced or not."""
    given = Path(source.name)
    pair = (
        {given, given.with_suffix(".hdr"), given.with_suffix(".img")}
        if source.facts.kind == "envi"
        else {given}
    )
    taken = {path.absolute() for path in pair}
    for paths in files_of(output, names).values():
        for path in paths:
            if path.absolute() in taken:
                raise SpecError(f"{path} is the input; name another output")
