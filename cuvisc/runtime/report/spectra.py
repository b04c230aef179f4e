"""Spectra of what was found, missed and wrongly found against the background: means, and where most pixels lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.report.charts import Band, Chart, Line, figure
from cuvisc.runtime.report.markup import Html, absent, count, number, tag
from cuvisc.runtime.report.outcomes import ALARM, FOUND, MISSED, NORMAL
from cuvisc.runtime.report.run_files import RunFiles
from cuvisc.runtime.report.scales import Axis

Floats = NDArray[np.float64]
_ORDER = (NORMAL, ALARM, MISSED, FOUND)
_COLORS = {NORMAL: "calm", FOUND: "blue", MISSED: "vermilion", ALARM: "orange"}
_BANDED = (NORMAL, FOUND)
_SAMPLED = 1000


def spectra(run: RunFiles) -> Html:
    """The section, or why it is empty."""
    counts = run.found("spectra")
    if run.evidence is None or not counts:
        return absent(f"Not shown: {run.problems.get('evidence') or 'there was no validation image'}.")
    groups = {int(key): values.astype(np.float64) for key, values in run.evidence.group("spectra").items()}
    groups = {
        outcome: groups[outcome]
        for outcome in _ORDER
        if outcome in groups and np.isfinite(groups[outcome]).any()
    }
    if not groups:
        return absent("Not shown: no band of any pixel is finite.")
    x, label, order, gap = _positions(run, next(iter(groups.values())).shape[1])
    names = _names(run)
    items: list[Band | Line] = []
    for outcome, (_, low, high) in groups.items():
        if outcome in _BANDED:
            items.append(Band(x, low[order], high[order], _COLORS[outcome], gap=gap))
    for outcome, (mean, _, _) in groups.items():
        words = f"{names[outcome]}, {count(counts[str(outcome)], 'pixel')}"
        items.append(
            Line(
                x,
                mean[order],
                _COLORS[outcome],
                words,
                dotted=outcome == MISSED,
                dashed=outcome == ALARM,
                gap=gap,
            )
        )
    drawn = np.concatenate(
        [values[: 3 if outcome in _BANDED else 1].ravel() for outcome, values in groups.items()]
    )
    low, high = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    value = f"value of the cube ({run.fact('input', 'dtype') or 'no unit'})"
    across = Axis(label, float(x[0]), float(x[-1]) if x[-1] > x[0] else float(x[0]) + 1)
    down = Axis.around(value, low, high)
    says = "Mean spectra of " + ", ".join(names[outcome] for outcome in groups)
    narrow, wide = (
        Chart(across, down, says, items, width, height) for width, height in ((400, 270), (1040, 330))
    )
    sampled = (
        "" if max(counts.values()) <= _SAMPLED else f", of at most {number(_SAMPLED)} random pixels each"
    )
    areas = "the shaded areas hold nine in ten of them (5th to 95th percentile)"
    note = f"Lines are means{sampled}; {areas}. {_bands(run, groups)}"
    return tag("div", figure("Mean spectra", narrow, note, wide=wide, class_="panel whole"), class_="panels")


def _positions(run: RunFiles, bands: int) -> tuple[Floats, str, NDArray[np.int64], float]:
    """Where bands are drawn, in which order, and how far apart neighbours may be before a line is broken."""
    wavelengths = run.fact("input", "wavelengths")
    if not isinstance(wavelengths, list) or len(wavelengths) != bands or bands < 2:
        return np.arange(1, bands + 1, dtype=np.float64), "band", np.arange(bands), np.inf
    centers = np.asarray(wavelengths, np.float64)
    order = np.argsort(centers, kind="stable")
    spacing = np.diff(centers[order])
    return centers[order], "wavelength (nm)", order, 3 * float(np.median(spacing)) if bands > 2 else np.inf


def _names(run: RunFiles) -> dict[int, str]:
    main: dict[str, Any] = run.found("main") or {}
    masked = main.get("anomalies") is not None
    if main.get("decision") is not None:
        names = {FOUND: "found", MISSED: "missed", ALARM: "false alarms", NORMAL: "normal"}
        return names if masked else {**names, FOUND: "detections", NORMAL: "background"}
    return {FOUND: "anomalous (mask)", NORMAL: "normal", MISSED: "missed", ALARM: "false alarms"}


def _bands(run: RunFiles, groups: dict[int, Floats]) -> str:
    """Bands that are not there, and bands that say nothing."""
    words = []
    means = np.stack([values[0] for values in groups.values()])
    missing = int((~np.isfinite(means).any(axis=0)).sum())
    if missing:
        words.append(f"{count(missing, 'band')} without a finite value: the lines are broken there.")
    spread = np.stack([values[2] - values[1] for values in groups.values()])
    flat = int(((spread == 0).all(axis=0) & np.isfinite(means).all(axis=0)).sum())
    if flat and max(map(int, run.found("spectra").values())) > 1:
        words.append(f"{count(flat, 'band')} with the same value in every pixel.")
    wavelengths = run.fact("input", "wavelengths")
    if isinstance(wavelengths, list) and len(wavelengths) > 2:
        spacing = np.diff(np.sort(np.asarray(wavelengths, np.float64)))
        gaps = int((spacing > 3 * np.median(spacing)).sum())
        if gaps:
            words.append(f"Lines are broken where the sensor's bands leave {count(gaps, 'gap')}.")
    return " ".join(words)
