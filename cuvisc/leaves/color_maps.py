"""The colour maps that figures can be asked for: those of matplotlib that stand for amounts, and their reverses."""

from __future__ import annotations

_USUAL = ("inferno", "viridis", "magma", "plasma", "cividis", "turbo", "hot", "gray", "jet")
_OTHERS = (
    *(
        "Blues",
        "BuGn",
        "BuPu",
        "GnBu",
        "Greens",
        "Greys",
        "OrRd",
        "Oranges",
        "PuBu",
        "PuBuGn",
        "PuRd",
        "Purples",
    ),
    *(
        "RdPu",
        "Reds",
        "YlGn",
        "YlGnBu",
        "YlOrBr",
        "YlOrRd",
        "Wistia",
        "CMRmap",
        "afmhot",
        "binary",
        "bone",
        "brg",
    ),
    *(
        "BrBG",
        "PRGn",
        "PiYG",
        "PuOr",
        "RdBu",
        "RdGy",
        "RdYlBu",
        "RdYlGn",
        "Spectral",
        "bwr",
        "coolwarm",
        "seismic",
    ),
    *("autumn", "cool", "copper", "cubehelix", "flag", "gist_earth", "gist_gray", "gist_heat", "gist_ncar"),
    *(
        "gist_rainbow",
        "gist_stern",
        "gist_yarg",
        "gnuplot",
        "gnuplot2",
        "hsv",
        "nipy_spectral",
        "ocean",
        "pink",
    ),
    *("prism", "rainbow", "spring", "summer", "terrain", "twilight", "twilight_shifted", "winter"),
)
COLOR_MAPS = tuple(f"{name}{reverse}" for reverse in ("", "_r") for name in (*_USUAL, *_OTHERS))
