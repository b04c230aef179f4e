"""Findings about values and bands: not finite, saturated, dead, repeated, and files that differ from the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from cuvisc.compiler.graph import TypedGraph
from cuvisc.runtime.data.ranges import ranges
from cuvisc.runtime.data_check.finding import Finding, Severity, counted, listed
from cuvisc.runtime.data_check.flat import exact, is_marked, remedy
from cuvisc.runtime.data_check.survey import Image

_OTHER_SCALE = 10.0
_OTHER_LEVEL = 2.0
_SMALLEST_GROUP = 3
_ROUNDING_NM = 0.01


def find_in_values(images: Sequence[Image], graph: TypedGraph) -> Iterator[Finding]:
    """Everything about values and bands that is worth knowing, the same fact of several images in one finding."""
    yield from _not_finite(images)
    yield from _numbers_for_none(images)
    yield from _fills(images, graph)
    yield from _saturated(images)
    yield from _bands(images)
    yield from _drift(images)
    yield from _wavelengths(images)


def _not_finite(images: Sequence[Image]) -> Iterator[Finding]:
    empty = [image for image in images if image.tally.empty_pixels == image.tally.pixels]
    for image in images:
        tally = image.tally
        if image in empty:
            severity: Severity = "error" if len(empty) == len(images) else "warning"
            yield Finding(severity, "values", f"{image.name}: no pixel has data", "leave the file out")
            continue
        if tally.empty_pixels:
            share = tally.empty_pixels / tally.pixels
            fact = (
                f"{image.name}: {counted(tally.empty_pixels, 'pixel')} without data in any band ({share:.1%})"
            )
            yield Finding("note", "values", fact)
        if tally.partial_pixels:
            values = [
                (tally.nan_values - tally.empty_pixels * tally.bands, "NaN"),
                (tally.infinite_values, "infinite"),
            ]
            said = ", ".join(f"{number} {word}" for number, word in values if number > 0)
            yield Finding(
                "warning",
                "values",
                f"{image.name}: {counted(tally.partial_pixels, 'pixel has', 'pixels have')} bands that are not finite "
                f"({said} values)",
                "such pixels take no part in training and are never decided for",
            )


def _numbers_for_none(images: Sequence[Image]) -> Iterator[Finding]:
    """Values that mean no data in some bands of a pixel: only pixels without any data are left out."""
    for image in images:
        tally = image.tally
        if tally.nodata_values:
            yield Finding(
                "warning",
                "values",
                f"{image.name}: {counted(tally.nodata_values, 'value is', 'values are')} {tally.nodata:g}, the file's "
                "number for no data, in pixels that have data in other bands",
                "it is trained on as a number: leave such bands out, or such pixels by `ignore_label`",
            )


def _fills(images: Sequence[Image], graph: TypedGraph) -> Iterator[Finding]:
    """Numbers that may stand for no data, which no file declares and no node of the graph marks."""
    of_value: dict[str, list[tuple[Image, int]]] = defaultdict(list)
    for image in images:
        for value, count in image.tally.fills.items():
            if not is_marked(value, graph):
                of_value[exact(value, image.tally.dtype)].append((image, count))
    for number, found in of_value.items():
        count, pixels = sum(count for _, count in found), sum(image.tally.pixels for image, _ in found)
        yield Finding(
            "warning",
            "values",
            f"{_where([image.name for image, _ in found], images)}: {counted(count, 'pixel holds', 'pixels hold')} "
            f"{number} in every band ({count / pixels:.2%})",
            remedy(number),
        )


def _saturated(images: Sequence[Image]) -> Iterator[Finding]:
    for image in images:
        count = image.tally.saturated_pixels
        if count:
            share = count / image.tally.pixels
            yield Finding(
                "warning",
                "values",
                f"{image.name}: {counted(count, 'pixel')} at full scale, {image.tally.maximum:g} ({share:.2%})",
                "saturated spectra are flat where they should peak: expose less, or mark them by `ignore_label`",
            )


def _bands(images: Sequence[Image]) -> Iterator[Finding]:
    dead: dict[tuple[int, ...], list[str]] = defaultdict(list)
    repeated: dict[tuple[tuple[int, int], ...], list[str]] = defaultdict(list)
    for image in images:
        if image.tally.pixels > 1 and image.tally.maximum is not None:
            dead[tuple(image.tally.constant_bands)].append(image.name)
            repeated[tuple(image.tally.repeated_bands)].append(image.name)
    for bands, names in dead.items():
        if bands:
            words = f"{'band' if len(bands) == 1 else 'bands'} {ranges([band + 1 for band in bands])}"
            yield Finding(
                "warning",
                "bands",
                f"{_where(names, images)}: {words} {'is' if len(bands) == 1 else 'are'} constant or without data",
                "dead bands carry nothing: leave them out",
            )
    for pairs, names in repeated.items():
        if pairs:
            words = listed([f"{later + 1} (as {first + 1})" for first, later in pairs])
            yield Finding(
                "warning",
                "bands",
                f"{_where(names, images)}: repeated bands {words}",
                "bands that are copies make covariances singular",
            )


def _drift(images: Sequence[Image]) -> Iterator[Finding]:
    """Files whose largest value or mean is far from what is typical of all."""
    known = [image for image in images if image.tally.mean is not None and image.file is not None]
    if len(known) < 2:
        return
    tops = np.array([abs(image.tally.maximum or 0.0) for image in known])
    means = np.array([abs(image.tally.mean or 0.0) for image in known])
    for image, top, mean in zip(known, tops, means, strict=True):
        typical_top, typical_mean = _typical(tops), _typical(means)
        if _ratio(top, typical_top) > _OTHER_SCALE:
            yield Finding(
                "warning",
                "drift",
                f"{image.name} ranges up to {top:g}, others typically to {typical_top:g}",
                "another scale or unit: bring all files to one",
            )
        elif len(known) >= _SMALLEST_GROUP and _ratio(mean, typical_mean) > _OTHER_LEVEL:
            yield Finding(
                "warning",
                "drift",
                f"{image.name} has the mean {mean:.4g}, others typically {typical_mean:.4g}",
                "other light or exposure: normalise to reflectance, or make sure that every stage has such files",
            )


def _wavelengths(images: Sequence[Image]) -> Iterator[Finding]:
    """Shifts that are small enough to be accepted, and files that do not say where their bands are."""
    files = [image for image in images if image.file is not None]
    saying = [image for image in files if image.file is not None and image.file.wavelengths is not None]
    silent = [image.name for image in files if image not in saying]
    if silent and saying:
        yield Finding(
            "warning",
            "wavelengths",
            f"{listed(silent)} {'does' if len(silent) == 1 else 'do'} not say wavelengths, "
            f"{counted(len(saying), 'other does', 'others do')}",
            "that the bands are the same is not checked there",
        )
    elif silent:
        yield Finding(
            "note", "wavelengths", "no file says wavelengths; cubes are compared by number of bands alone"
        )
    if len(saying) < 2:
        return
    centers = np.array([image.file.wavelengths for image in saying if image.file is not None])
    shifts = np.abs(centers - centers[0]).max(axis=1)
    worst = int(shifts.argmax())
    if shifts[worst] > _ROUNDING_NM:
        yield Finding(
            "note",
            "wavelengths",
            f"{saying[worst].name} is shifted by up to {shifts[worst]:.3g} nm against {saying[0].name}; "
            "less than half a band is accepted",
        )


def _where(names: Sequence[str], images: Sequence[Image]) -> str:
    return "all files" if len(names) == len(images) > 1 else listed(names)


def _typical(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return float(np.median(values))


def _ratio(one: float, other: float) -> float:
    low, high = sorted((one, other))
    return high / low if low > 0 else (np.inf if high > 0 else 1.0)
