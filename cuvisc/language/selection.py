"""Which bands are meant by wavelengths, ranges, indices and a judgement. Pure Python; of cuvisc only `spectrum`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cuvisc.language.spectrum import Spectrum, neighbour_distances


class SelectionError(ValueError):
    """Bands that are wanted and are not there, or that nobody can tell."""


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

    def of(self, bands: int, spectrum: Spectrum | None) -> list[int]:
        """Numbers of the bands that are meant, ascending; raises :class:`SelectionError`."""
        everything = self.wavelengths is None and self.ranges is None and self.indices is None
        kept = set(range(bands)) if everything else set()
        if self.indices is not None:
            outside = [index for index in self.indices if not 0 <= index < bands]
            if outside:
                raise SelectionError(
                    f"`indices` names band {outside[0]}, but it reads {bands}, numbered from 0"
                )
            kept.update(self.indices)
        if self.wavelengths is not None:
            kept.update(_nearest(known_centers(spectrum, bands), self.wavelengths))
        for low, high in self.ranges or ():
            centers = known_centers(spectrum, bands)
            inside = [band for band, center in enumerate(centers) if low <= center <= high]
            if not inside:
                raise SelectionError(
                    f"no band lies between {low:g} and {high:g} nm; "
                    f"the {bands} bands are at {min(centers):g} to {max(centers):g} nm"
                )
            kept.update(inside)
        if self.bad == "drop":
            if spectrum is None or spectrum.good is None:
                raise SelectionError(
                    "`bad: drop`, but the data does not say which bands are bad; leave it out, "
                    "and name those to keep as `indices` or `ranges`"
                )
            kept = {band for band in kept if spectrum.good[band]}
        if not kept:
            raise SelectionError("no band is left")
        return sorted(kept)


def known_centers(spectrum: Spectrum | None, bands: int) -> tuple[float, ...]:
    """The centres of so many bands; raises :class:`SelectionError` where nobody says them."""
    known = None if spectrum is None else spectrum.wavelengths
    if known is None:
        raise SelectionError(
            f"nothing says the wavelengths of the {bands} bands it reads: "
            "give the data some, or write them in `graph.input.wavelengths`"
        )
    return known


def _nearest(centers: tuple[float, ...], wanted: Sequence[float]) -> list[int]:
    """The band of each wavelength, another one for each."""
    distances, taken = neighbour_distances(centers), dict[int, float]()
    for wavelength in wanted:
        band = min(range(len(centers)), key=lambda one: abs(centers[one] - wavelength))
        if abs(centers[band] - wavelength) > distances[band]:
            raise SelectionError(
                f"no band is near {wavelength:g} nm; the nearest is band {band} at {centers[band]:g} nm"
            )
        if band in taken:
            raise SelectionError(
                f"{taken[band]:g} and {wavelength:g} nm both mean band {band} at {centers[band]:g} nm; name one"
            )
        taken[band] = wavelength
    return list(taken)
