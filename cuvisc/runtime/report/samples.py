"""More validation images, small: scene, scores and decisions of each, those with most wrong pixels first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.report.layers import border, drawing, heat, limits, outcomes_in_colors
from cuvisc.runtime.report.markup import Html, count, join, number, tag
from cuvisc.runtime.report.outcomes import judge
from cuvisc.runtime.report.png import encode
from cuvisc.runtime.report.run_files import RunFiles

Arrays = Mapping[str, NDArray[Any]]


def samples(run: RunFiles) -> Html | None:
    """The images besides the one at the top of the page, None where there are none."""
    shown, files = run.found("samples") or [], run.found("files") or []
    if run.evidence is None or not shown:
        return None
    groups = [run.evidence.group(f"sample/{number}") for number in range(len(shown))]
    known = [group["scores"] for group in groups if "scores" in group]
    ramp = limits(np.concatenate([scores.ravel() for scores in known])) if known else (0.0, 1.0)
    sizes = [group["scene"].shape for group in groups]
    box = (max(size[0] for size in sizes), max(size[1] for size in sizes))
    pictures = [_sample(group, files[index], ramp, box) for group, index in zip(groups, shown, strict=True)]
    about = "Scene with the mask, scores and decisions. " if known else "Scene with the mask, and decisions. "
    if known:
        about += f"Heat is the same in all of them, from {number(ramp[0], 3)} to {number(ramp[1], 3)}. "
    order = "most wrong pixels first" if _judged(files[shown[0]]) else "in the order of the data"
    return tag(
        "div",
        tag("h3", f"More validation images, {order}"),
        tag("p", about, class_="about"),
        tag("div", pictures, class_="samples"),
        class_="below",
    )


def _sample(planes: Arrays, file: Mapping[str, Any], ramp: tuple[float, float], box: tuple[int, int]) -> Html:
    mask, decided, scores = planes.get("mask"), planes.get("decisions"), planes.get("scores")
    outline, name = border(mask), str(file["name"])
    scene = planes["scene"]
    drawn = [drawing(encode(scene), scene.shape, f"false colours of {name}", outline, box)]
    if scores is not None:
        drawn.append(drawing(heat(scores, *ramp), scores.shape, f"heat map of {name}", outline, box))
    if decided is not None:
        known = np.ones(decided.shape, bool) if scores is None else ~np.isnan(scores)
        outcomes = judge(known, decided, mask)
        drawn.append(drawing(outcomes_in_colors(outcomes), decided.shape, f"decisions in {name}", box=box))
    caption = tag("figcaption", tag("strong", name), ": ", _quality(file))
    return tag("figure", tag("div", drawn, class_="layers"), caption, class_="map")


def _quality(file: Mapping[str, Any]) -> Html:
    confusion, words = file.get("confusion"), []
    if confusion is not None:
        found = f"{number(confusion['hits'])} of {count(file['anomalies'], 'anomalous pixel')} found"
        words.append(found if file["anomalies"] else "no anomaly in the mask")
        words.append(count(confusion["alarms"], "false alarm"))
    elif file.get("detections") is not None:
        words.append(count(file["detections"], "detection"))
    if file.get("auroc") is not None:
        words.append(f"AUROC {file['auroc']:.3f}")
    size = f"{number(file['height'])} × {number(file['width'])} pixels"
    return join(", ".join([*words, size]), ".")


def _judged(file: Mapping[str, Any]) -> bool:
    return file.get("confusion") is not None
