"""Many cubes to their outputs, one after the other: what goes where, what is there already. Never torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from cuvisc.runtime.atomic import refuse_existing
from cuvisc.runtime.data.opening import find_reader
from cuvisc.runtime.data.source import CubeSource
from cuvisc.runtime.data.writers.naming import SUFFIX_OF, files_of, format_of, name_in_folder
from cuvisc.runtime.inference import Predictor
from cuvisc.runtime.inputs import Input, Inputs, refuse_doubles
from cuvisc.runtime.prediction import Progress, Summary, predict_file
from cuvisc.runtime.progress import log
from cuvisc.runtime.provenance import Stale, find_stale
from cuvisc.runtime.spectral_contract import match_bands
from cuvisc.schema.errors import DataError, SpecError


class Job(NamedTuple):
    """A cube and the file, or first of the files, that its outputs go to; `replaces` what is there of them."""

    cube: Input
    output: Path
    replaces: bool


class Plan(NamedTuple):
    """What is to be done, and what is done already; `stale` counts the cubes whose outputs are made anew."""

    jobs: list[Job]
    skipped: list[Input]
    stale: Counter[Stale]


def plan_jobs(
    found: Inputs,
    output: Path,
    names: Sequence[str],
    form: str | None = None,
    force: bool = False,
    skip_existing: bool = False,
    notes: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    """Where every cube goes: to `output` where that is a file's name, else into the folder of that name.

    With `skip_existing` a cube whose outputs are all there is done; one that lacks some is done anew, as is one whose
    outputs do not have these `notes` of the model and its thresholds. Raises :class:`SpecError` before anything is
    done where files are in the way or two cubes would share them.
    """
    if form is not None and form not in SUFFIX_OF:
        raise SpecError(f"--format is one of {', '.join(SUFFIX_OF)}, got {form!r}")
    if output.suffix and not output.is_dir():
        format_of(output)
        if not found.single:
            raise SpecError(f"{output} is a file, for the outputs of one cube; name a folder for several")
        outputs = [(found.cubes[0], output)]
    elif output.exists() and not output.is_dir():
        raise SpecError(
            f"{output} is a file; name a folder, or a file that ends in {', '.join(SUFFIX_OF.values())}"
        )
    else:
        outputs = [(cube, name_in_folder(output, cube.path, _kind(cube), form)) for cube in found.cubes]
    refuse_doubles(outputs)
    jobs, skipped = [], []
    stale: Counter[Stale] = Counter()
    for cube, path in outputs:
        files = [file for paths in files_of(path, names).values() for file in paths]
        if skip_existing and any(file.exists() for file in files):
            reason = find_stale(path, names, notes, force=force)
            if reason is None:
                skipped.append(cube)
                continue
            stale[reason] += 1
        replaces = force or skip_existing
        for file in files:
            refuse_existing(file, replaces)
        jobs.append(Job(cube, path, replaces))
    return Plan(jobs, skipped, stale)


def run_job(
    predictor: Predictor,
    job: Job,
    *,
    thresholds: Mapping[str, float] | None = None,
    ignore: bool = False,
    resample: bool = False,
    several: bool = False,
    progress: Callable[[float], None] = lambda part: None,
) -> tuple[Summary, list[str]]:
    """Predict one cube; returns what was done and what to warn of, by its name where it is one of `several`.

    `progress` is told parts of the whole.
    """
    with CubeSource.open(*job.cube) as opened:
        warnings = list(opened.facts.warnings)
        source, doubt = match_bands(predictor.manifest, opened, ignore=ignore, resample=resample)
        told: Progress = lambda pixels: progress(pixels / source.pixels)  # noqa: E731
        log.debug("%s: %s", opened.name, opened.facts.in_words)
        summary = predict_file(
            predictor, source, job.output, thresholds=thresholds, force=job.replaces, progress=told
        )
    for name, file in summary.files.items():
        log.debug("  `%s` to %s", name, file)
    return summary, [*warnings, *([doubt] if doubt else []), *_remarks(summary, several)]


def _remarks(summary: Summary, named: bool) -> list[str]:
    remarks = []
    if summary.nodata_pixels:
        remarks.append(
            f"{summary.nodata_pixels} of {summary.pixels} pixels have no data; "
            "they have no score and are never decided for"
        )
    if summary.partly_nodata_pixels:
        remarks.append(
            f"{summary.partly_nodata_pixels} of {summary.pixels} pixels have no data in some bands; "
            "the model saw the number that stands for none"
        )
    if summary.non_finite_pixels:
        remarks.append(
            f"{summary.non_finite_pixels} of {summary.pixels} pixels have a band that is NaN or infinite; "
            "they have no score and are never decided for"
        )
    if summary.unscored_pixels:
        remarks.append(
            f"{summary.unscored_pixels} of {summary.pixels} pixels have data and no score: the model marks them, or "
            "what it computes of them is not a number; they are never decided for"
        )
    remarks += [
        f"`{name}` decides for {decided} of {summary.scored_pixels} pixels; "
        "are the cube's values those of the training?"
        for name, decided in summary.decided_pixels.items()
        if 2 * decided > summary.scored_pixels
    ]
    where = f"{summary.input}: " if named else ""
    return [*summary.warnings, *(where + remark for remark in remarks)]


def _kind(cube: Input) -> str:
    """The format of a cube as its reader's name says; a cube without a reader fails when it is its turn."""
    try:
        return find_reader(cube.path).__name__.rpartition(".")[2]
    except DataError:
        return ""
