"""Whether a cube has the bands that a model was trained on, and what is done where it has not. Never torch.

A band fits when its centre is no further from the model's than half the distance to the model's nearest other band.
"""

from __future__ import annotations

from cuvisc.runtime.artifact import Manifest
from cuvisc.runtime.data.band_axis import deviating, span, tolerances
from cuvisc.runtime.data.resampling import Resampled
from cuvisc.runtime.data.source import CubeSource
from cuvisc.schema.errors import DataError


def match_bands(
    manifest: Manifest, source: CubeSource, *, ignore: bool = False, resample: bool = False
) -> tuple[CubeSource, str]:
    """The cube with the model's bands, and a warning where nothing can be checked.

    `ignore` leaves the centres unchecked, `resample` interpolates to the model's. Raises :class:`DataError` showing
    both sides.
    """
    wanted, found = manifest.wavelengths, source.facts.wavelengths
    if resample:
        return _resample(manifest, source), ""
    bands = source.shape[3]
    if manifest.channels is not None and bands != manifest.channels:
        if wanted is not None and found is not None:
            raise DataError(
                f"{source.name} has {span(found)}; `{manifest.name}` was trained on {span(wanted)}; "
                "--resample interpolates to them"
            )
        raise DataError(
            f"{source.name} has {bands} bands, its shape is {read_as(source)}; "
            f"`{manifest.name}` was trained on {manifest.channels}{_bands_elsewhere(source, manifest.channels)}"
        )
    if ignore or wanted is None:
        return source, ""
    if found is None:
        return source, (
            f"{source.name} does not say its wavelengths; "
            f"whether they are those that `{manifest.name}` was trained on is not checked"
        )
    _compare(manifest, source, wanted, found)
    return source, ""


def read_as(source: CubeSource) -> str:
    """The shape of an array; of one with two axes, as what it is read."""
    return f"{source.array_shape}{', read as spectra [N,C]' if len(source.array_shape) == 2 else ''}"


def _bands_elsewhere(source: CubeSource, channels: int) -> str:
    """A hint where another axis than the last is as long as the model has bands."""
    lengths = source.array_shape[:-1]
    if channels not in lengths:
        return ""
    place = "first" if lengths[0] == channels else "in the middle"
    return f". Its bands stand {place}? A cube is [H,W,C], with the bands last"


def _compare(
    manifest: Manifest, source: CubeSource, wanted: tuple[float, ...], found: tuple[float, ...]
) -> None:
    off = deviating(found, wanted)
    if off:
        worst = max(off, key=lambda band: abs(found[band] - wanted[band]))
        raise DataError(
            f"{source.name} has other bands than `{manifest.name}` was trained on: "
            f"{len(off)} of {len(wanted)} centres are further off than half the distance between bands; "
            f"band {worst + 1} is at {found[worst]:.6g} nm instead of {wanted[worst]:.6g} nm "
            f"(tolerance {tolerances(wanted)[worst]:.3g} nm); --resample interpolates, --ignore-wavelengths runs as is"
        )


def _resample(manifest: Manifest, source: CubeSource) -> CubeSource:
    wanted, found = manifest.wavelengths, source.facts.wavelengths
    if wanted is None or found is None:
        who = f"`{manifest.name}`" if wanted is None else source.name
        raise DataError(f"--resample: {who} does not say its wavelengths")
    if wanted == found:
        return source
    low, high = min(found), max(found)
    outside = [
        center
        for band, (center, tolerance) in enumerate(zip(wanted, tolerances(wanted), strict=True))
        if manifest.bands_read is None or band in manifest.bands_read
        if not low - tolerance <= center <= high + tolerance
    ]
    if outside:
        raise DataError(
            f"--resample: {source.name} has {span(found)}; `{manifest.name}` also wants "
            f"{len(outside)} bands outside, such as {outside[0]:.1f} nm"
        )
    return Resampled(source, wanted)
