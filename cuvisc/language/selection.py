"""Which bands are meant by wavelengths, ranges, indices and a judgement. Pure Python; of cuvisc only `spectrum`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cuvisc.language.spectrum import Spectrum, neighbour_distances

_LEAST_RESPONSE = 1e-3
"""Of the response to a band of the smallest spacing at its very centre."""


class SelectionError(ValueError):
    """Bands that are wanted and are not there, or that nobody can tell; `parameter` is the one that asks for them."""

    def __init__(self, fact: str, parameter: str = "") -> None:
        super().__init__(fact)
        self.parameter = parameter


class SelfContradiction(SelectionError):
    """Bands that no data can have as they are wanted: the fact, and what to do about it."""

    def __init__(self, fact: str, parameter: str, remedy: str) -> None:
        super().__init__(f"{fact}; {remedy}", parameter)
        self.fact, self.remedy = fact, remedy


@dataclass(frozen=True)
class Selection:
    """Bands as parameters name them; a field has the name of its parameter. Lengths are in nanometres."""

    wavelengths: Sequence[float] | None = None
    ranges: Sequence[Sequence[float]] | None = None
    indices: Sequence[int] | None = None
    bad: str = "keep"

    @property
    def needs_wavelengths(self) -> bool:
        """Whether the centres of the bands decide."""
        return self.wavelengths is not None or bool(self.ranges)

    def check_distinct(self) -> None:
        """Raise :class:`SelfContradiction` for a band or a wavelength that is named twice."""
        check_distinct(self.indices or (), "indices", "band {:d}")
        check_distinct(self.wavelengths or (), "wavelengths")

    def of(self, bands: int, spectrum: Spectrum | None) -> list[int]:
        """Numbers of the bands that are meant, ascending; raises :class:`SelectionError`."""
        self.check_distinct()
        everything = self.wavelengths is None and self.ranges is None and self.indices is None
        kept = set(range(bands)) if everything else set()
        if self.indices is not None:
            outside = [index for index in self.indices if not 0 <= index < bands]
            if outside:
                raise SelectionError(
                    f"`indices` names band {outside[0]}, but it reads {bands}, numbered from 0",
                    "indices",
                )
            kept.update(self.indices)
        if self.wavelengths is not None:
            kept.update(_nearest(known_centers(spectrum, bands, "wavelengths"), self.wavelengths))
        for low, high in self.ranges or ():
            centers = known_centers(spectrum, bands, "ranges")
            inside = [band for band, center in enumerate(centers) if low <= center <= high]
            if not inside:
                raise SelectionError(
                    f"no band lies between {low:g} and {high:g} nm; "
                    f"the {bands} bands are at {min(centers):g} to {max(centers):g} nm",
                    "ranges",
                )
            kept.update(inside)
        if self.bad == "drop":
            if spectrum is None or spectrum.good is None:
                raise SelectionError(
                    "`bad: drop`, but the data does not say which bands are bad; leave it out, "
                    "and name those to keep as `indices` or `ranges`",
                    "bad",
                )
            kept = {band for band in kept if spectrum.good[band]}
        if not kept:
            raise SelectionError("no band is left")
        return sorted(kept)


def known_centers(spectrum: Spectrum | None, bands: int, parameter: str) -> tuple[float, ...]:
    """The centres of so many bands, for a parameter; raises :class:`SelectionError` where nobody says them."""
    known = None if spectrum is None else spectrum.wavelengths
    if known is None:
        raise SelectionError(
            f"nothing says the wavelengths of the {bands} bands it reads: "
            "give the data some, or write them in `graph.input.wavelengths`",
            parameter,
        )
    return known


def check_inside(known: Sequence[float], wanted: Sequence[float]) -> None:
    """Raise :class:`SelectionError` for centres that would have to be made up.

    Such are those outside the known ones by more than half the distance between the outermost two.
    """
    ordered = sorted(known)
    low, high = ordered[0], ordered[-1]
    below, above = (ordered[1] - low, high - ordered[-2]) if len(ordered) > 1 else (0.0, 0.0)
    outside = [center for center in wanted if not low - below / 2 <= center <= high + above / 2]
    if outside:
        raise SelectionError(
            f"{outside[0]:g} nm is outside the cube, whose bands are at {low:g} to {high:g} nm", "centers"
        )


def gaussian_widths(centers: Sequence[float], fwhm: float | None) -> tuple[float, ...]:
    """Full widths at half maximum of bands at these centres; without one the distance to the nearest other centre.

    Raises :class:`SelfContradiction` where that is none.
    """
    if fwhm is not None:
        return (fwhm,) * len(centers)
    widths = neighbour_distances(centers)
    if not all(math.isfinite(width) and width for width in widths):
        raise SelfContradiction("the distance between these centres is no width", "centers", "say `fwhm`")
    return widths


def _gaussian_response(offset: float, width: float) -> float:
    """What a band of this full width at half maximum sees of light at this distance from its centre, of 1."""
    ratio = offset / width
    return math.exp(-4 * math.log(2) * ratio * ratio)


def check_seen(known: Sequence[float], wanted: Sequence[float], fwhm: float | None) -> None:
    """Raise :class:`SelectionError` for a centre whose gaussian band sees next to nothing of the known ones."""
    widths, ordered = gaussian_widths(wanted, fwhm), sorted(known)
    spacing = _spacing(ordered)
    blind = [
        (center, width)
        for center, width in zip(wanted, widths, strict=True)
        if sum(d * _gaussian_response(one - center, width) for one, d in zip(ordered, spacing, strict=True))
        < _LEAST_RESPONSE * min(spacing)
    ]
    if blind:
        center, width = blind[0]
        enough = max(*widths, *(2 * min(abs(one - center) for one in ordered) for center, _ in blind))
        raise SelectionError(
            f"no band of the cube lies within the {width:g} nm around {center:g} nm: `method: linear` interpolates, "
            f"and a larger `fwhm`, such as {enough:.3g}, reaches one",
            "centers" if fwhm is None else "fwhm",
        )


def _spacing(ordered: Sequence[float]) -> list[float]:
    """Half the distance between the neighbours of every centre; at the ends that to the only one, 1 where none is."""
    last = len(ordered) - 1
    if not last:
        return [1.0]
    ends = [(max(place - 1, 0), min(place + 1, last)) for place in range(last + 1)]
    return [(ordered[high] - ordered[low]) / (high - low) for low, high in ends]


def check_distinct(wanted: Sequence[float], parameter: str, form: str = "{:g} nm") -> None:
    """Raise :class:`SelfContradiction` for what a parameter names twice; `form` says how one of it is shown."""
    twice = [one for place, one in enumerate(wanted) if one in wanted[:place]]
    if twice:
        raise SelfContradiction(
            f"`{parameter}` names {form.format(twice[0])} twice", parameter, "name it once"
        )


def _nearest(centers: tuple[float, ...], wanted: Sequence[float]) -> list[int]:
    """The band of each wavelength, another one for each."""
    distances, taken = neighbour_distances(centers), dict[int, float]()
    for wavelength in wanted:
        band = min(range(len(centers)), key=lambda one: abs(centers[one] - wavelength))
        if abs(centers[band] - wavelength) > distances[band]:
            raise SelectionError(
                f"no band is near {wavelength:g} nm; the nearest is band {band} at {centers[band]:g} nm",
                "wavelengths",
            )
        if band in taken:
            raise SelectionError(
                f"{taken[band]:g} and {wavelength:g} nm both mean band {band} at {centers[band]:g} nm; name one",
                "wavelengths",
            )
        taken[band] = wavelength
    return list(taken)
