"""Band centres: units to nanometres, the distance between bands, and whether a cube has a model's. Pure Python.

Two lists of centres agree when no band is further off than half the distance to the nearest neighbour of that band.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cuvisc.runtime.data.facts import Floats

_NANOMETRES = {
    "nanometers": 1.0,
    "nanometer": 1.0,
    "nanometres": 1.0,
    "nanometre": 1.0,
    "nm": 1.0,
    "micrometers": 1e3,
    "micrometer": 1e3,
    "micrometres": 1e3,
    "micrometre": 1e3,
    "microns": 1e3,
    "micron": 1e3,
    "um": 1e3,
    "µm": 1e3,
    "μm": 1e3,
    "millimeters": 1e6,
    "mm": 1e6,
    "meters": 1e9,
    "m": 1e9,
    "angstroms": 0.1,
    "angstrom": 0.1,
}
_SILENT = {"", "unknown", "none", "-"}
_LEAST_NANOMETRES = 100.0


class BandFacts:
    """Numbers and names that a file says band by band, checked against the number of bands."""

    def __init__(self, name: str, bands: int) -> None:
        self.name, self.bands = name, bands
        self.warnings: list[str] = []

    def nanometres(self, values: Iterable[object] | None, units: str | None, what: str) -> Floats | None:
        """Lengths in nanometres; without units, values below 100 are micrometres, which is warned of."""
        numbers = self.numbers(values, what)
        if numbers is None:
            return None
        factor = _NANOMETRES.get((units or "").strip().lower())
        if factor is None and (units or "").strip().lower() not in _SILENT:
            self.warnings.append(
                f"{self.name}: {what} are in {units!r}, which is no length; they are left out"
            )
            return None
        if factor is None:
            factor = 1.0
            if what == "wavelengths" and max(numbers) < _LEAST_NANOMETRES:
                factor = 1e3
                self.warnings.append(
                    f"{self.name} does not say the unit of its {what}; {numbers[0]:g} is taken as micrometres"
                )
        return tuple(_rounded(number * factor) for number in numbers)

    def numbers(self, values: Iterable[object] | None, what: str) -> Floats | None:
        """One finite number a band, or None with a warning."""
        if values is None:
            return None
        try:
            numbers = tuple(float(str(value)) for value in values)
        except ValueError:
            self.warnings.append(f"{self.name}: {what} are not numbers; they are left out")
            return None
        if len(numbers) != self.bands:
            self.warnings.append(
                f"{self.name} has {len(numbers)} {what} for {self.bands} bands; they are left out"
            )
            return None
        if not all(math.isfinite(number) for number in numbers):
            self.warnings.append(f"{self.name}: some {what} are not finite; they are left out")
            return None
        return numbers

    def names(self, values: Iterable[object] | None, what: str) -> tuple[str, ...] | None:
        """One text a band, or None with a warning."""
        texts = None if values is None else tuple(str(value) for value in values)
        if texts is not None and len(texts) != self.bands:
            self.warnings.append(
                f"{self.name} has {len(texts)} {what} for {self.bands} bands; they are left out"
            )
            return None
        return texts


def tolerances(centers: Sequence[float]) -> Floats:
    """Half the distance of every centre to its nearest neighbour; one band alone tolerates anything."""
    if len(centers) < 2:
        return (math.inf,) * len(centers)
    order = sorted(range(len(centers)), key=centers.__getitem__)
    found = [0.0] * len(centers)
    for place, band in enumerate(order):
        near = [abs(centers[order[i]] - centers[band]) for i in (place - 1, place + 1) if 0 <= i < len(order)]
        found[band] = min(near) / 2
    return tuple(found)


def deviating(found: Sequence[float], wanted: Sequence[float]) -> list[int]:
    """Bands of two equally long lists that are further apart than the tolerance of the wanted one."""
    allowed = tolerances(wanted)
    return [
        band
        for band, (one, other) in enumerate(zip(found, wanted, strict=True))
        if abs(one - other) > allowed[band] * (1 + 1e-9)
    ]


def span(centers: Sequence[float]) -> str:
    """Words for a list of centres: ``200 bands, 400.0-2499.0 nm``."""
    return f"{len(centers)} bands, {min(centers):.1f}-{max(centers):.1f} nm"


def _rounded(value: float) -> float:
    """The shortest decimal within twelve digits, so that 0.4 micrometres are 400 nm and not 400.00000000000006."""
    return float(f"{value:.12g}")
