"""``cuvisc inspect``: a cube file to what is in it, for people, programs and eyes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cuvisc.cli.running import progress_bar, warn

if TYPE_CHECKING:
    from cuvisc.runtime.inspection import Inspection

_BARS = "▁▂▃▄▅▆▇█"
_COLUMNS = 60


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def inspect(
        file: Annotated[
            str,
            typer.Argument(
                help="Cube: ENVI, GeoTIFF, HDF5, NetCDF 4, Zarr, MAT, .cu3s, .npy, .npz; "
                "FILE::NAME names an array in it.",
                metavar="FILE",
            ),
        ],
        key: Annotated[str | None, typer.Option("--key", help="Array in the file that is the cube.")] = None,
        png: Annotated[
            Path | None, typer.Option("--png", help="Write a picture of three bands.", metavar="OUT.png")
        ] = None,
        force: Annotated[bool, typer.Option("--force", help="Replace an existing picture.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    ) -> None:
        """Show the facts, statistics and mean spectrum of a cube.

        Example: cuvisc inspect scene.hdr --png scene.png
        """
        from cuvisc.runtime.atomic import atomic_file, refuse_existing
        from cuvisc.runtime.data.opening import split_location
        from cuvisc.runtime.data.source import CubeSource
        from cuvisc.runtime.inspection import draw_png, inspect_cube
        from cuvisc.schema.errors import SpecError

        path, inside = split_location(file, key)
        if png is not None:
            if png.suffix.lower() != ".png":
                raise SpecError(f"--png {png}: the picture is a PNG, so its name ends in .png")
            refuse_existing(png, force)
        with CubeSource.open(path, inside) as source, progress_bar(source.pixels, "inspect") as progress:
            found = inspect_cube(source, progress)
        if png is not None:
            with CubeSource.open(path, inside) as source, atomic_file(png, force=force) as temporary:
                draw_png(source, temporary, path.name)
        for warning in found.facts.warnings:
            warn(warning)
        if as_json:
            print(json.dumps({"file": str(path), **found.to_json()}))
            return
        print(path)
        for name, value in describe(found):
            print(f"  {name:<13} {value}")
        if png is not None:
            print(png)


def describe(found: Inspection) -> list[tuple[str, str]]:
    """Name and words of everything that is known."""
    from cuvisc.runtime.data.ranges import ranges

    facts = found.facts
    lines = [("format", facts.kind + (f", `{facts.dataset}`" if facts.dataset else ""))]
    lines.append(("shape", f"{'x'.join(map(str, facts.shape))} {facts.dtype.name}, {_bytes(facts.nbytes)}"))
    if facts.wavelengths:
        lines.append(("wavelengths", f"{facts.wavelengths[0]:g}-{facts.wavelengths[-1]:g} nm"))
    if facts.fwhm:
        lines.append(("fwhm", f"{min(facts.fwhm):g}-{max(facts.fwhm):g} nm"))
    if facts.good_bands and not all(facts.good_bands):
        lines.append(("bad bands", ranges([i + 1 for i, good in enumerate(facts.good_bands) if not good])))
    if facts.nodata is not None:
        lines.append(("nodata", f"{facts.nodata:g}"))
    if facts.scale is not None:
        lines.append(("scale", f"stored values are to be divided by {facts.scale:g}"))
    place = facts.georeference
    if place is not None:
        lines.append(("crs", _crs(place.crs)))
        if place.transform is not None:
            a, b, c, d, e, f = place.transform
            lines.append(("origin", f"{c:.12g}, {f:.12g}, pixel {math.hypot(a, d):g} x {math.hypot(b, e):g}"))
    if facts.description:
        lines.append(("description", " ".join(facts.description.split())[:100]))
    if found.mean is not None:
        lines.append(("values", f"min {found.minimum:g}, max {found.maximum:g}, mean {found.mean:.9g}"))
    if found.non_finite_values:
        lines.append(("not finite", f"{found.non_finite_values} values"))
    if found.nodata_values:
        lines.append(
            ("without data", f"{found.nodata_values} values; {found.nodata_pixels} pixels in every band")
        )
    lines.append(("mean spectrum", sparkline(found.mean_spectrum.tolist())))
    return lines


def sparkline(values: Sequence[float], columns: int = _COLUMNS) -> str:
    """Numbers as a row of bars, averaged down to `columns`; a blank where there is none."""
    step = max(1.0, len(values) / columns)
    groups = [
        values[int(i * step) : max(int((i + 1) * step), int(i * step) + 1)]
        for i in range(int(len(values) / step))
    ]
    means = [_mean(group) for group in groups]
    finite = [mean for mean in means if mean is not None]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    height = (high - low) or 1.0
    return "".join(" " if mean is None else _BARS[min(7, int((mean - low) / height * 8))] for mean in means)


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else None


def _crs(crs: str | None) -> str:
    """EPSG code, or the name in a WKT."""
    if crs is None:
        return "not said"
    return crs.split('"')[1] if '"' in crs else crs


def _bytes(count: int) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
