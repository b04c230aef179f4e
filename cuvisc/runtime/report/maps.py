"""One validation image as pictures side by side: the scene, the scores, the decisions against the mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.report import palette
from cuvisc.runtime.report.layers import border, drawing, heat, limits, outcomes_in_colors
from cuvisc.runtime.report.markup import Html, absent, join, number, tag
from cuvisc.runtime.report.outcomes import ALARM, FOUND, MISSED, NAMES, NO_DATA, NORMAL, judge
from cuvisc.runtime.report.png import encode
from cuvisc.runtime.report.run_files import RunFiles


def maps(run: RunFiles) -> Html:
    """The scene, the main score and the decisions, or why they are not there."""
    sample = run.found("sample")
    if run.evidence is None or not sample:
        why = run.problems.get("evidence") or "there was no validation image"
        return absent(f"No pictures: {why}.")
    arrays = run.evidence.arrays
    outline = border(arrays.get("picture/mask"))
    panels = [_scene(arrays["picture/rgb"], sample, outline)]
    main = run.found("main") or {}
    if main.get("name") is not None:
        panels.append(
            _heat(
                arrays[f"picture/value/{main['name']}"],
                main["name"],
                main["unit"],
                outline,
                main["threshold"],
            )
        )
    if "picture/decisions" in arrays:
        panels.append(_decisions(arrays, main, counted=sample["step"] == 1))
    if len(panels) < 3:
        shown = {main.get("name"), main.get("decision")}
        others = [name for name in sample["values"] if name not in shown]
        panels += [_sampled(run.evidence.arrays, sample, name) for name in others[: 3 - len(panels)]]
    return join(tag("div", panels, class_="maps"), tag("p", _about(sample, run), class_="about"))


def other_outputs(run: RunFiles) -> Html | None:
    """Pictures of outputs that are not at the top of the page, None when there are none."""
    sample = run.found("sample")
    if run.evidence is None or not sample:
        return None
    main = run.found("main") or {}
    shown = [name for name in sample["values"] if name not in (main.get("name"), main.get("decision"))]
    used = 3 - 1 - (main.get("name") is not None) - ("picture/decisions" in run.evidence.arrays)
    rest = shown[max(0, used) :]
    if not rest:
        return None
    panels = (_sampled(run.evidence.arrays, sample, name) for name in rest)
    return tag("div", tag("h3", "Other outputs"), tag("div", panels, class_="maps"), class_="below")


def _about(sample: dict[str, Any], run: RunFiles) -> Html:
    total = (run.found("images") or {}).get("read", 1)
    place = (
        "the first validation image with an anomaly" if _has_anomaly(run) else "the first validation image"
    )
    which = "the only validation image" if total == 1 else f"{place} of {number(total)}"
    words = f"{sample['name']}, {which}: {number(sample['height'])} × {number(sample['width'])} pixels."
    if sample["step"] > 1:
        side = sample["step"]
        words += (
            f" Each pixel shown stands for {side} × {side}: mean colours, the highest score, any detection."
        )
    return join(words)


def _has_anomaly(run: RunFiles) -> bool:
    mask = run.evidence.arrays.get("picture/mask") if run.evidence is not None else None
    return mask is not None and bool(mask.any())


def _scene(rgb: NDArray[np.uint8], sample: dict[str, Any], outline: str) -> Html:
    key = _key([("outline", "mask")]) if outline else None
    return _panel(
        "Scene",
        encode(rgb),
        rgb.shape,
        f"false colours of the scene, {sample['bands']}",
        outline,
        tag("p", f"red, green, blue: {sample['bands']}"),
        key,
    )


def _heat(
    values: NDArray[np.float32], name: str, unit: str | None, outline: str, threshold: float | None = None
) -> Html:
    low, high = limits(values)
    says = f"heat map of {name}, from {number(low, 3)} to {number(high, 3)}"
    return _panel(
        f"{unit.capitalize() if unit else 'Value'}: {name}",
        heat(values, low, high),
        values.shape,
        says,
        outline,
        _bar(low, high, unit, threshold),
    )


def _bar(low: float, high: float, unit: str | None, threshold: float | None) -> Html:
    stops = ", ".join(f"#{bytes(palette.heat_ramp()[i]).hex()}" for i in range(0, 256, 15))
    marker = None
    if threshold is not None and low < threshold < high:
        at = 100 * (threshold - low) / (high - low)
        marker = tag("span", class_="threshold", style=f"left:{at:.1f}%", aria_hidden="true")
    bar = tag(
        "div",
        marker,
        class_="ramp",
        style=f"background:linear-gradient(to right,{stops})",
        aria_hidden="true",
    )
    ends = tag(
        "div",
        tag("span", f"≤ {number(low, 3)}"),
        tag("span", f"{unit or 'no unit'}, 1st to 99.8th percentile"),
        tag("span", f"≥ {number(high, 3)}"),
        class_="ends",
    )
    return tag("div", bar, ends, class_="bar")


def _decisions(arrays: dict[str, NDArray[Any]], main: dict[str, Any], *, counted: bool) -> Html:
    """Decisions against the mask; pixels are `counted` where each one shown stands for one of the image."""
    decided, mask = arrays["picture/decisions"].astype(bool), arrays.get("picture/mask")
    name = main.get("name")
    values = arrays.get(f"picture/value/{name}") if name is not None else None
    known = np.ones(decided.shape, bool) if values is None else ~np.isnan(values)
    outcomes = judge(known, decided, mask)
    names = NAMES if mask is not None else {**NAMES, FOUND: "detection"}
    there = [(o, int((outcomes == o).sum())) for o in (FOUND, MISSED, ALARM, NORMAL, NO_DATA)]
    key = _key([(f"outcome-{o}", f"{names[o]} {number(n)}" if counted else names[o]) for o, n in there if n])
    says = "decisions: " + ", ".join(f"{number(n)} {names[o]}" for o, n in there if n)
    return _panel("Decisions", outcomes_in_colors(outcomes), outcomes.shape, says, "", key)


def _sampled(arrays: Mapping[str, NDArray[Any]], sample: Mapping[str, Any], name: str) -> Html:
    return value(name, arrays[f"picture/value/{name}"], sample["values"][name])


def value(name: str, values: NDArray[Any], facts: Mapping[str, Any]) -> Html:
    """Any output as a picture: one band as heat, decisions and classes in flat colours, several bands as false colours.

    `facts` are its unit, the `bands` shown, and `of` how many.
    """
    if values.ndim == 3:
        bands = " / ".join(str(band + 1) for band in facts["bands"])
        words = f"bands {bands} of {facts['of']} as red, green, blue" if len(facts["bands"]) > 1 else "band 1"
        return _panel(name, encode(values), values.shape, f"{name}, {words}", "", tag("p", words))
    if values.dtype.kind == "f":
        return _heat(values, name, facts["unit"], "")
    colors = np.array([palette.rgb(color) for color in palette.CLASSES], np.uint8)
    found, counts = np.unique(values.astype(np.int64), return_counts=True)
    index = (values.astype(np.int64) % len(colors)).astype(np.uint8)
    labels = {0: "no", 1: "yes"} if values.dtype == bool else {}
    key = _key(
        [
            (f"class-{int(v) % len(colors)}", f"{labels.get(int(v), int(v))} {number(int(n))}")
            for v, n in zip(found, counts, strict=True)
        ][:12]
    )
    return _panel(name, encode(index, colors), values.shape, f"map of {name}", "", key)


def _panel(
    title: str, png: bytes, shape: tuple[int, ...], says: str, outline: str, *below: Html | None
) -> Html:
    return tag(
        "figure",
        tag("h3", title),
        drawing(png, shape, says, outline),
        tag("figcaption", *below),
        class_="map",
    )


def _key(entries: list[tuple[str, str]]) -> Html:
    items = (tag("li", tag("span", class_=f"key {kind}", aria_hidden="true"), text) for kind, text in entries)
    return tag("ul", items, class_="legend")
