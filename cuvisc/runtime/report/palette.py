"""Colours that all readers can tell apart, those of the figures of leaves; and the ramp of heat maps. NumPy only."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.report.outcomes import ALARM, FOUND, MISSED, NO_DATA, NORMAL

BLUE, ORANGE, GREEN, YELLOW = "#0072B2", "#E69F00", "#009E73", "#F0E442"
SKY, VERMILION, PURPLE = "#56B4E9", "#D55E00", "#CC79A7"
OUTCOMES = {NORMAL: "#303030", FOUND: SKY, MISSED: VERMILION, ALARM: YELLOW, NO_DATA: "#c8c8c8"}
CLASSES = (OUTCOMES[NORMAL], VERMILION, BLUE, GREEN, ORANGE, PURPLE, SKY, YELLOW)
_LIGHTNESS = (0.14, 0.97)
_OKLAB = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LINEAR = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue of `#rrggbb`."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


@cache
def heat_ramp() -> NDArray[np.uint8]:
    """256 colours [256,3] from almost black over violet and red to pale yellow, of evenly rising lightness.

    A path through Oklab (Ottosson 2020): lightness alone carries the value, so that it survives every kind of colour
    vision and a black and white print.
    """
    at = np.linspace(0, 1, 256)
    lightness = _LIGHTNESS[0] + (_LIGHTNESS[1] - _LIGHTNESS[0]) * at
    hue = np.radians(-85 + 185 * at**0.9)
    chroma = 0.185 * np.sin(np.pi * np.clip(0.12 + 0.80 * at, 0, 1)) ** 0.8
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1)
    linear = np.clip((lab @ _OKLAB.T) ** 3 @ _LINEAR.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 255), np.uint8)
