"""Planes of one image to drawings that lie over each other: scenes, scores as heat, outcomes, the border of a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.report import palette
from cuvisc.runtime.report.markup import Html, tag
from cuvisc.runtime.report.outcomes import NO_DATA
from cuvisc.runtime.report.png import data_uri, encode

_SMALL = 500
_LONGEST_OUTLINE = 20_000


def drawing(
    png: bytes, shape: tuple[int, ...], says: str, outline: str = "", box: tuple[int, ...] | None = None
) -> Html:
    """A picture of a shape [h,w] with an outline over it; `says` is for those who cannot see it.

    Pictures beside each other have one `box` [h,w], none smaller than they are, so that a pixel is as large in each.
    """
    height, width = shape[:2]
    tall, wide = (box or shape)[:2]
    image = tag(
        "image", href=data_uri(png), width=width, height=height, class_="pixels" if width < _SMALL else None
    )
    drawn = (tag("path", d=outline, class_=kind) for kind in ("halo", "outline")) if outline else None
    return tag("svg", image, drawn, viewBox=f"0 0 {wide} {tall}", role="img", aria_label=says)


def limits(values: NDArray[np.float32]) -> tuple[float, float]:
    """Where the ramp of a heat map begins and ends: the 1st and 99.8th percentile of what is finite."""
    known = values[np.isfinite(values)]
    low, high = (float(v) for v in np.percentile(known, (1, 99.8))) if known.size else (0.0, 1.0)
    return low, high


def heat(values: NDArray[np.float32], low: float, high: float) -> bytes:
    """Values [h,w] as a PNG in the colours of heat; NaN in the colour of no data."""
    scaled = np.clip(
        (np.nan_to_num(values.astype(np.float64), posinf=high, neginf=low) - low) / max(high - low, 1e-300),
        0,
        1,
    )
    index = np.rint(scaled * 254).astype(np.uint8)
    index[np.isnan(values)] = 255
    colors = palette.heat_ramp().copy()
    colors[255] = palette.rgb(palette.OUTCOMES[NO_DATA])
    return encode(index, colors)


def outcomes_in_colors(outcomes: NDArray[np.uint8]) -> bytes:
    """Outcomes [h,w] as a PNG."""
    colors = [palette.rgb(palette.OUTCOMES[outcome]) for outcome in sorted(palette.OUTCOMES)]
    return encode(outcomes, np.array(colors, np.uint8))


def border(mask: NDArray[np.bool_] | None) -> str:
    """The border of a mask as the path of an SVG, empty where there is none or it is too tangled to help."""
    if mask is None or not mask.any() or mask.all():
        return ""
    padded = np.pad(mask.astype(np.int8), 1)
    runs = [*_runs(np.diff(padded, axis=0)[:, 1:-1] != 0)]
    tall = [*_runs((np.diff(padded, axis=1)[1:-1] != 0).T)]
    if len(runs) + len(tall) > _LONGEST_OUTLINE:
        return ""
    flat = "".join(f"M{begin} {row}h{end - begin}" for row, begin, end in runs)
    return flat + "".join(f"M{column} {begin}v{end - begin}" for column, begin, end in tall)


def _runs(edges: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """Line, begin and end of every run of true values along the last axis."""
    change = np.diff(np.pad(edges.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    lines, begins = np.nonzero(change == 1)
    _, ends = np.nonzero(change == -1)
    return list(zip(lines.tolist(), begins.tolist(), ends.tolist(), strict=True))
