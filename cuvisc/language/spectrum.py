"""What is known of the bands of a value: centres, widths, which are good. Pure Python; imports nothing of cuvisc."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Spectrum:
    """Band centres and full widths at half maximum in nanometres; ``good`` is the data's own judgement of bands."""

    wavelengths: tuple[float, ...] | None = None
    fwhm: tuple[float, ...] | None = None
    good: tuple[bool, ...] | None = None

    def of(self, bands: Sequence[int]) -> Spectrum:
        """Some of the bands, in this order."""
        return Spectrum(*(_of(part, bands) for part in vars(self).values()))


def joined(spectra: Iterable[Spectrum | None]) -> Spectrum | None:
    """The bands of values side by side; what one of them does not say is not known of all."""
    parts = list(spectra)
    if len(parts) == 1:
        return parts[0]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    columns = zip(*(vars(part).values() for part in known), strict=True)
    return Spectrum(*(None if None in column else sum(column, ()) for column in columns))


def neighbour_distances(centers: Sequence[float]) -> tuple[float, ...]:
    """The distance of every centre to the nearest other one; one band alone has it infinitely far."""
    if len(centers) < 2:
        return (math.inf,) * len(centers)
    order = sorted(range(len(centers)), key=centers.__getitem__)
    found = [0.0] * len(centers)
    for place, band in enumerate(order):
        near = [abs(centers[order[i]] - centers[band]) for i in (place - 1, place + 1) if 0 <= i < len(order)]
        found[band] = min(near)
    return tuple(found)


def _of(values: tuple[T, ...] | None, bands: Sequence[int]) -> tuple[T, ...] | None:
    return None if values is None else tuple(values[band] for band in bands)
